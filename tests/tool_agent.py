"""An agent with two tools that survives what it can, and what its model says."""

AGENT = """
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition
    from openai import APIConnectionError, InternalServerError, RateLimitError


    @tool
    def delete(number: int) -> str:
        '''Delete a number.'''
        return f"deleted {number}"


    @tool
    def look(number: int) -> str:
        '''Look a number up.'''
        return f"found {number}"


    TRANSIENT = (RateLimitError, InternalServerError, APIConnectionError)


    def ask(state):
        model = ChatOpenAI(model="gpt-4o-mini", max_retries=0, timeout=60).bind_tools([look, delete])
        for attempt in range(3):
            try:
                return {"messages": [model.invoke(state["messages"])]}
            except TRANSIENT:
                pass
            except Exception:
                break
        return {"messages": [("ai", "Sorry.")]}


    def build():
        graph = StateGraph(MessagesState)
        graph.add_node("ask", ask)
        graph.add_node("tools", ToolNode([look, delete], handle_tool_errors=True))
        graph.add_edge(START, "ask")
        graph.add_conditional_edges("ask", tools_condition)
        graph.add_edge("tools", "ask")
        return graph.compile()
"""
RULES = """
- {times: 1, when: {}, reply: {tool_calls: [{name: look, args: {number: 7}}]}}
- {when: {}, reply: {text: "done"}}
"""
