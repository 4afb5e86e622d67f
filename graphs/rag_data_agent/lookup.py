"""The tools: a search in the handbook and the queries on the database, their outputs cut before a model sees them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from graphs import vector_index
from graphs.rag_data_agent import context, database

HANDBOOK = Path(__file__).with_name("handbook.jsonl")
FAILED = "The look-up failed."
PASSAGES = 3


def cut_output(request: ToolCallRequest, execute: Callable[[ToolCallRequest], ToolMessage | Command[Any]]) -> ToolMessage | Command[Any]:
    """Run a tool, and cut what it returns before it enters the conversation."""
    message = execute(request)
    if isinstance(message, ToolMessage):
        message.content = context.cut(message.text)
    return message


def tools_node(one: BaseTool) -> ToolNode:
    """A node that runs this tool; whatever goes wrong in it, the conversation goes on."""
    return ToolNode([one], handle_tool_errors=FAILED, wrap_tool_call=cut_output)


def rag_search_tool() -> BaseTool:
    """The tool that searches the handbook."""
    retriever = vector_index.load(HANDBOOK).as_retriever(search_kwargs={"k": PASSAGES})

    @tool
    def rag_search(query: str) -> str:
        """Search the handbook of the shop: rules, prices of services, advice."""
        return "\n\n".join(document.page_content for document in retriever.invoke(query))

    return rag_search


def run_query_tool(connection: sqlite3.Connection) -> BaseTool:
    """The tool that runs one of the fixed queries."""

    @tool
    def run_query(query: str, arguments: dict[str, Any]) -> str:
        """Run one of the queries on customers, orders and products."""
        return database.run(connection, query, arguments)

    return run_query
