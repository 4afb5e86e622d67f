"""A plan: the suites, variants and cases that a command is to run, loaded and checked before anything runs."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness import checks, graph, prompt, store
from harness.cassette.exchange import Request
from harness.cassette.normalise import Normaliser
from harness.cassette.redact import BUILT_IN, Redactor
from harness.cassette.segments import Segments, segments
from harness.checks import CheckContext
from harness.config import Project, Suite, Variant
from harness.coverage import Shape
from harness.dataset import Case, Dataset, parse
from harness.errors import ConfigError, GraphError, NothingRan, WireStop
from harness.experiment import SuiteProvenance
from harness.graph import Target, Wanted
from harness.runner import checkpoints
from harness.runner.conversation import need_memory
from harness.runner.rules import normalisers_of, redactor_of
from harness.runner.selection import Selection, check_variants, variants_of
from harness.schema import nearest
from harness.script import Script
from harness.script import parse as parse_script
from harness.shape import shape
from harness.store import TrialKey
from harness.wire.trial import take_strays


@dataclass(frozen=True, slots=True)
class Bench:
    """One suite under one variant, ready to run. `nodes`, `fingerprint` and `shape` are those of the graph built once for a look at it."""

    name: str
    variant: str
    suite: Suite
    target: Target | None
    wanted: Wanted
    dataset: Dataset
    cases: tuple[Case, ...]
    checks: Mapping[str, checks.Check]
    prompts: Mapping[str, prompt.Prompt]
    mode: str
    nodes: tuple[str, ...]
    fingerprint: str
    shape: Shape
    script: Script | None = None
    stored_prompts: prompt.Prompts = field(default_factory=dict)
    redactor: Redactor = BUILT_IN
    normalisers: tuple[Normaliser, ...] = ()
    postgres_env: str = ""

    def checks_of(self, case: Case) -> tuple[str, ...]:
        """Return the names of the checks that are run over a case."""
        return checks.applicable(case, self.context(case)) if self.suite.checks is None else self.suite.checks

    @property
    def tapes(self) -> str:
        """Return the suite whose cassettes are replayed."""
        return self.suite.cassettes or self.name

    def build(self, checkpointer: Callable[[], Any]) -> Any:
        """Build the graph of this variant; an agent behind a URL has none here."""
        if self.target is None:
            message = f"suite {self.name!r} has no graph in this process"
            raise GraphError(message)
        return self.target.build(self.wanted, checkpointer)

    def taken_apart(self, request: Request) -> Segments:
        """Take a redacted request apart as this suite compares it: its texts normalised."""
        return segments(request, self.normalisers)

    def context(self, case: Case) -> CheckContext:
        """Return what the checks of a case need to know of the suite."""
        suite = self.suite
        return CheckContext(
            routes=dict(suite.routes),
            confidence=dict(suite.confidence),
            limits=suite.limits.override(case.expected.limits),
            nodes=self.nodes,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a command runs, in order."""

    project: Project
    benches: tuple[Bench, ...]
    selection: Selection

    def keys(self) -> Iterator[TrialKey]:
        """Yield the keys of the trials in dataset order."""
        for bench in self.benches:
            for case in bench.cases:
                for repeat in range(1, self.selection.repeat + 1):
                    yield (bench.name, bench.variant, case.id, repeat)

    def provenance(self) -> tuple[SuiteProvenance, ...]:
        """Return what is run, suite by suite."""
        return tuple(bench.redactor.value(_provenance(self.project, bench, self.selection)) for bench in self.benches)

    def notes(self) -> Iterator[str]:
        """Yield what the user should know before anything runs: expectations that no check of the config looks at."""
        for bench in self.benches:
            if bench.suite.checks is None:
                continue
            left_out = Counter(name for case in bench.cases for name in checks.unchecked(case, bench.context(case), bench.suite.checks))
            for name, cases in sorted(left_out.items()):
                yield f"suite {bench.name!r}: {cases} case(s) have an expectation for the check {name!r}, which its `checks` leaves out"


def prepare(project: Project, selection: Selection) -> Plan:
    """Load datasets, prompts and graphs of what is selected; refuse what cannot run."""
    names = selection.suites or tuple(project.config.suites)
    suites = [(name, project.suite(name)) for name in dict.fromkeys(names)]
    check_variants(suites, selection.variants, named=bool(selection.suites))
    benches = [
        _bench(project, name, suite, variant, selection) for name, suite in suites for variant in variants_of(suite, selection.variants)
    ]
    for bench in benches:
        _check_rehearsals(project, bench)
    if not any(bench.cases for bench in benches):
        raise NothingRan(_nothing(benches, selection))
    return Plan(project, tuple(bench for bench in benches if bench.cases or not selection.narrows), selection)


def by_case(benches: Sequence[Bench]) -> Iterator[tuple[Case, tuple[Bench, ...]]]:
    """Yield the cases of one suite in dataset order, each with the variants that run it."""
    ids = [(bench, {case.id for case in bench.cases}) for bench in benches]
    for case in benches[0].dataset.cases:
        running = tuple(bench for bench, its in ids if case.id in its)
        if running:
            yield case, running


def _nothing(benches: Sequence[Bench], selection: Selection) -> str:
    if not selection.narrows:
        empty = ", ".join(sorted({bench.suite.dataset for bench in benches}))
        return f"nothing ran: {empty} has no cases"
    total = sum(len(bench.dataset.cases) for bench in benches)
    return f"nothing ran: {selection.flags()} matches none of {total} cases"


def _bench(project: Project, name: str, suite: Suite, variant_name: str, selection: Selection) -> Bench:
    variant = suite.variants[variant_name]
    where = project.where(name, f"variants.{variant_name}")
    dataset = _dataset(project, suite)
    _check_named_cases(project, name, suite, dataset)
    _check_faults(suite, name, dataset)
    cases = _of_variant(dataset, suite, variant_name)
    store.refuse_colliding_cassettes(suite.cassettes or name, (case.id for case in dataset.cases))
    stored_prompts = store.read_prompts(project.root, project.config.prompts_dir)
    active = store.read_active(project.root, project.config.prompts_dir, stored_prompts)
    prompts = prompt.choose(stored_prompts, variant.prompts, active, where=where)
    wanted = _wanted(variant, prompts)
    target, look = _loaded(project, name, suite, wanted)
    selected = selection.cases_of(name, cases)
    _check_turns(project, name, suite, look, selected)
    return Bench(
        name=name,
        variant=variant_name,
        suite=suite,
        target=target,
        wanted=wanted,
        dataset=dataset,
        cases=selected,
        checks=_checks(project, name, suite),
        prompts=prompts,
        mode=_mode(suite, look, name) if target else "http",
        nodes=graph.node_names(look) if look is not None else (),
        fingerprint=_fingerprint(target, look),
        shape=_shape(target, look),
        script=parse_script(store.read_script_text(project.root, suite.script), path=suite.script) if suite.script else None,
        stored_prompts=stored_prompts,
        redactor=redactor_of(project),
        normalisers=normalisers_of(project, name),
        postgres_env=project.config.postgres_env,
    )


def _loaded(project: Project, name: str, suite: Suite, wanted: Wanted) -> tuple[Target | None, Any]:
    """Return the graph's factory and a graph built once; neither where the agent is behind a URL."""
    if suite.is_deployed:
        return None, None
    target = graph.load(suite.graph, root=project.root, where=project.where(name, "graph"))
    target.check(wanted)
    look = _look(target, wanted)
    _check_look(project, name, suite, look)
    return target, look


def _fingerprint(target: Target | None, look: Any) -> str:
    if target is None:
        return "unknown: the graph is in another process"
    return graph.fingerprint(look) if look is not None else "unknown: the factory asks a model while it builds"


def _shape(target: Target | None, look: Any) -> Shape:
    if target is None:
        return Shape(unknown="the graph is in another process")
    return shape(look) if look is not None else Shape(unknown="the factory asks a model while it builds")


def _check_faults(suite: Suite, name: str, dataset: Dataset) -> None:
    """Refuse faults that an agent behind a URL has no place for."""
    for case in dataset.cases:
        for spec in case.faults if suite.is_deployed else ():
            if spec.at.node or spec.at.is_tool:
                message = (
                    f"suite {name!r}, case {case.id!r}: a fault at a node or a tool cannot strike an agent behind a URL; use at.model_call"
                )
                raise ConfigError(message)


def _dataset(project: Project, suite: Suite) -> Dataset:
    name = suite.dataset.rpartition("/")[2].rpartition(".")[0]
    return parse(store.read_dataset_text(project.root, suite.dataset), name=name, path=suite.dataset)


def _of_variant(dataset: Dataset, suite: Suite, variant: str) -> tuple[Case, ...]:
    """Return the cases that are for this variant; refuse those that name one that the suite lacks, which nothing would ever run."""
    for case in dataset.cases:
        for name in case.variants:
            if name not in suite.variants:
                message = f"{suite.dataset}: case {case.id!r} is for variant {name!r}, which the suite lacks{nearest(name, suite.variants)}"
                raise ConfigError(message)
    return tuple(case for case in dataset.cases if not case.variants or variant in case.variants)


def _check_named_cases(project: Project, name: str, suite: Suite, dataset: Dataset) -> None:
    ids = {case.id for case in dataset.cases}
    for key, case in [*(("must_pass", case) for case in suite.must_pass), *(("quarantine", case) for case in suite.quarantine)]:
        if case not in ids:
            message = f"{project.where(name, key)}: {suite.dataset} has no case {case!r}{nearest(case, ids) if len(ids) < 1000 else ''}"  # noqa: PLR2004, a list no one reads
            raise ConfigError(message)


def _wanted(variant: Variant, prompts: Mapping[str, prompt.Prompt]) -> Wanted:
    texts = {name: chosen.text for name, chosen in prompts.items()}
    return Wanted(prompts=texts, parameters=variant.parameters, model=variant.model, prompts_named=bool(variant.prompts))


def _look(target: Target, wanted: Wanted) -> Any:
    """Build the graph once, to see its nodes; None where the factory asks a model while it builds."""
    try:
        return target.build(wanted, memory)
    except WireStop:
        return None
    except (GraphError, KeyboardInterrupt):
        raise
    except BaseException as error:
        message = f"graph {target.reference!r}: the factory raised {type(error).__name__}: {error}"
        raise GraphError(message) from error


def _check_look(project: Project, name: str, suite: Suite, look: Any) -> None:
    """Refuse graphs whose trials would not be what they seem."""
    strays = take_strays()
    if look is None and suite.build == "worker":
        where = project.where(name, "build")
        message = f'{where}: the factory asks a model while it builds, so it has to be built for each trial: build = "trial"'
        raise ConfigError(message)
    if look is not None and strays:
        message = f"{project.where(name, 'graph')}: {strays[0]}"
        raise GraphError(message)
    if look is not None and look.checkpointer is None and (look.interrupt_before_nodes or look.interrupt_after_nodes):
        message = (
            f"{project.where(name, 'graph')}: compiled with interrupt_before or interrupt_after but without a checkpointer, "
            "so it ends there for good; let the factory take `checkpointer`"
        )
        raise GraphError(message)


def _check_rehearsals(project: Project, bench: Bench) -> None:
    """Refuse cases that are to be run again in other ways where that cannot be."""
    if bench.target is None and any({"crash", "streaming"} & set(bench.checks_of(case)) for case in bench.cases):
        message = (
            f"{project.where(bench.name, 'graph')}: the checks 'crash' and 'streaming' need the graph itself, not an agent behind a URL"
        )
        raise ConfigError(message)
    cases = [case for case in bench.cases if "crash" in bench.checks_of(case)]
    if cases and bench.target and not bench.target.takes("checkpointer"):
        message = (
            f"{project.where(bench.name, 'graph')}: the check 'crash' resumes a new graph from stored checkpoints; "
            "let the factory take `checkpointer`"
        )
        raise ConfigError(message)
    for case in cases:
        suite_s, own = bench.suite.checkpointers, case.expected.crash
        where = project.where(bench.name, "checkpointers") if own is None else f"{bench.suite.dataset}: case {case.id!r}: expected.crash"
        for backend in suite_s if own is None else own:
            checkpoints.check(backend, postgres_env=project.config.postgres_env, where=where)


def _check_turns(project: Project, name: str, suite: Suite, look: Any, cases: Sequence[Case]) -> None:
    """Refuse cases of several turns for a graph that cannot remember them, or whose thread is out of reach."""
    several = [case for case in cases if case.turns]
    if several and suite.is_deployed:
        message = (
            f"{project.where(name, 'graph')}: case {several[0].id!r} has `turns`, which need the graph itself, not an agent behind a URL"
        )
        raise ConfigError(message)
    try:
        for case in several if look is not None else ():
            need_memory(look, case)
    except GraphError as error:
        message = f"{project.where(name, 'graph')}: {error}"
        raise GraphError(message) from None


def memory() -> Any:
    """Return a checkpointer that lives as long as its trial."""
    from langgraph.checkpoint.memory import InMemorySaver  # noqa: PLC0415, for factories that take one

    return InMemorySaver()


def _mode(suite: Suite, look: Any, name: str) -> str:
    if suite.mode == "invoke" and look is not None and not graph.has_sync_form(look):
        message = f'suites.{name}.mode: the graph has async-only nodes, so it cannot be invoked; use mode = "ainvoke" or "auto"'
        raise ConfigError(message)
    if suite.mode != "auto":
        return suite.mode
    return "invoke" if look is not None and graph.has_sync_form(look) else "ainvoke"


def _checks(project: Project, name: str, suite: Suite) -> dict[str, checks.Check]:
    """Return the checks that a config names, by name; those of the user are imported."""
    found: dict[str, checks.Check] = {}
    for named in suite.checks or ():
        if ":" in named:
            where = project.where(name, f"checks: {named!r}")
            module, _, attribute = named.rpartition(":")
            if attribute in {*checks.BUILT_IN, *(other.rpartition(":")[2] for other in found)}:
                message = f"{project.where(name, 'checks')}: two checks are called {attribute!r}; rename one of them"
                raise ConfigError(message)
            found[named] = checks.adapt(attribute, graph.load_attribute(module, attribute, root=project.root, where=where))
        elif named in checks.BUILT_IN:
            found[named] = checks.BUILT_IN[named]
        else:
            message = (
                f"{project.where(name, 'checks')}: unknown check {named!r}{nearest(named, checks.BUILT_IN)}; your own are 'module:function'"
            )
            raise ConfigError(message)
    return found


def _of_this_variant(bench: Bench, named: Iterable[str]) -> tuple[str, ...]:
    """Return the cases that the config names, but for those that are for other variants."""
    elsewhere = {case.id for case in bench.dataset.cases if case.variants and bench.variant not in case.variants}
    return tuple(case for case in named if case not in elsewhere)


def _provenance(project: Project, bench: Bench, selection: Selection) -> SuiteProvenance:
    suite = bench.suite
    return SuiteProvenance(
        suite=bench.name,
        variant=bench.variant,
        cases=len(bench.cases),
        dataset=suite.dataset,
        dataset_digest=bench.dataset.digest,
        cassettes=suite.cassettes or "",
        cassettes_digest=store.cassettes_digest(project.root, bench.tapes, tuple(case.id for case in bench.cases)),
        graph=suite.graph,
        graph_fingerprint=bench.fingerprint,
        prompts={name: f"{chosen.version}@{chosen.digest}" for name, chosen in bench.prompts.items()},
        model=bench.wanted.model,
        parameters=dict(bench.wanted.parameters),
        match=suite.match,
        mode=bench.mode,
        build=suite.build,
        checks=tuple(suite.checks) if suite.checks is not None else ("auto",),
        routes=dict(suite.routes),
        confidence=dict(suite.confidence),
        gate=suite.gate.bounds,
        unasked=suite.gate.unasked,
        must_pass=_of_this_variant(bench, suite.must_pass),
        quarantine={case: suite.quarantine[case] for case in _of_this_variant(bench, suite.quarantine)},
        normalise=suite.normalise,
        freeze=suite.freeze.model_dump(mode="json", exclude_defaults=True),
        latencies=dict(suite.latencies),
        faults=tuple(map(str, selection.faults)),
        selected=selection.narrows,
        shape=bench.shape,
    )
