"""A plan: the suites, variants and cases that a command is to run, loaded and checked before anything runs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness import checks, graph, prompt, store
from harness.cassette.exchange import Request
from harness.cassette.normalise import Normaliser
from harness.cassette.redact import BUILT_IN, Redactor
from harness.cassette.segments import Segments, segments
from harness.checks import CheckContext
from harness.config import DEFAULT, Project, Suite, Variant
from harness.dataset import Case, Dataset, parse
from harness.errors import ConfigError, GraphError, NothingRan, UsageError, WireStop
from harness.experiment import SuiteProvenance
from harness.graph import Target, Wanted
from harness.runner.rules import normalisers_of, redactor_of
from harness.schema import nearest
from harness.script import Script
from harness.script import parse as parse_script
from harness.store import TrialKey
from harness.wire.trial import take_strays


@dataclass(frozen=True, slots=True)
class Selection:
    """Which cases and variants to run; what is left empty selects all. `expression` is as pytest's -k, over ids and tags."""

    suites: Sequence[str] = ()
    variants: Sequence[str] = ()
    expression: str = ""
    tags: Sequence[str] = ()
    limit: int | None = None
    failing: frozenset[tuple[str, str]] | None = None
    repeat: int = 1

    @property
    def narrows(self) -> bool:
        """Tell whether cases may be left out."""
        return bool(self.expression or self.tags or self.limit is not None or self.failing is not None)


@dataclass(frozen=True, slots=True)
class Bench:
    """One suite under one variant, ready to run. `nodes` and `fingerprint` are those of the graph built once for a look at it."""

    name: str
    variant: str
    suite: Suite
    target: Target
    wanted: Wanted
    dataset: Dataset
    cases: tuple[Case, ...]
    checks: Mapping[str, checks.Check]
    prompts: Mapping[str, prompt.Prompt]
    mode: str
    nodes: tuple[str, ...]
    fingerprint: str
    script: Script | None = None
    stored_prompts: prompt.Prompts = field(default_factory=dict)
    redactor: Redactor = BUILT_IN
    normalisers: tuple[Normaliser, ...] = ()

    def taken_apart(self, request: Request) -> Segments:
        """Take a redacted request apart as this suite compares it: its texts normalised."""
        return segments(request, self.normalisers)

    def context(self, case: Case) -> CheckContext:
        """Return what the checks of a case need to know of the suite."""
        return CheckContext(routes=dict(self.suite.routes), limits=self.suite.limits.override(case.expected.limits), nodes=self.nodes)


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
    _check_variants(suites, selection.variants, named=bool(selection.suites))
    benches = [
        _bench(project, name, suite, variant, selection) for name, suite in suites for variant in _variants_of(suite, selection.variants)
    ]
    if not any(bench.cases for bench in benches):
        raise NothingRan(_nothing(benches, selection))
    return Plan(project, tuple(bench for bench in benches if bench.cases or not selection.narrows), selection)


def _check_variants(suites: Sequence[tuple[str, Suite]], variants: Sequence[str], *, named: bool) -> None:
    for variant in variants:
        known = {named for _, suite in suites for named in suite.variants}
        if variant not in known:
            message = f"no selected suite has a variant {variant!r}{nearest(variant, known)}"
            raise UsageError(message)
    for name, suite in suites:
        if named and variants and not set(variants) & set(suite.variants):
            message = f"suite {name!r} has none of the variants {', '.join(variants)}; it has {', '.join(suite.variants)}"
            raise UsageError(message)


def _variants_of(suite: Suite, variants: Sequence[str]) -> list[str]:
    return [variant for variant in dict.fromkeys(variants) if variant in suite.variants] if variants else [DEFAULT]


def _nothing(benches: Sequence[Bench], selection: Selection) -> str:
    if not selection.narrows:
        empty = ", ".join(sorted({bench.suite.dataset for bench in benches}))
        return f"nothing ran: {empty} has no cases"
    total = sum(len(bench.dataset.cases) for bench in benches)
    asked = [f"--filter {selection.expression!r}"] if selection.expression else []
    asked += [f"--tag {tag}" for tag in selection.tags]
    asked += [f"--limit {selection.limit}"] if selection.limit is not None else []
    asked += ["--failing"] if selection.failing is not None else []
    return f"nothing ran: {' '.join(asked)} matches none of {total} cases"


def _bench(project: Project, name: str, suite: Suite, variant_name: str, selection: Selection) -> Bench:
    variant = suite.variants[variant_name]
    where = project.where(name, f"variants.{variant_name}")
    dataset = _dataset(project, suite)
    _check_must_pass(project, name, suite, dataset)
    store.refuse_colliding_cassettes(name, (case.id for case in dataset.cases))
    stored_prompts = store.read_prompts(project.root, project.config.prompts_dir)
    active = store.read_active(project.root, project.config.prompts_dir, stored_prompts)
    prompts = prompt.choose(stored_prompts, variant.prompts, active, where=where)
    target = graph.load(suite.graph, root=project.root, where=project.where(name, "graph"))
    wanted = _wanted(variant, prompts)
    target.check(wanted)
    look = _look(target, wanted)
    _check_look(project, name, suite, look)
    return Bench(
        name=name,
        variant=variant_name,
        suite=suite,
        target=target,
        wanted=wanted,
        dataset=dataset,
        cases=_select(dataset.cases, name, selection),
        checks=_checks(project, name, suite),
        prompts=prompts,
        mode=_mode(suite, look, name),
        nodes=graph.node_names(look) if look is not None else (),
        fingerprint=graph.fingerprint(look) if look is not None else "unknown: the factory asks a model while it builds",
        script=parse_script(store.read_script_text(project.root, suite.script), path=suite.script) if suite.script else None,
        stored_prompts=stored_prompts,
        redactor=redactor_of(project),
        normalisers=normalisers_of(project, name),
    )


def _dataset(project: Project, suite: Suite) -> Dataset:
    name = suite.dataset.rpartition("/")[2].rpartition(".")[0]
    return parse(store.read_dataset_text(project.root, suite.dataset), name=name, path=suite.dataset)


def _check_must_pass(project: Project, name: str, suite: Suite, dataset: Dataset) -> None:
    ids = {case.id for case in dataset.cases}
    for case in suite.must_pass:
        if case not in ids:
            message = (
                f"{project.where(name, 'must_pass')}: {suite.dataset} has no case {case!r}{nearest(case, ids) if len(ids) < 1000 else ''}"  # noqa: PLR2004, a list no one reads
            )
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


def _select(cases: tuple[Case, ...], suite: str, selection: Selection) -> tuple[Case, ...]:
    chosen = [case for case in cases if not selection.tags or set(selection.tags) & set(case.tags)]
    if selection.expression:
        matches = _expression(selection.expression)
        chosen = [case for case in chosen if matches(case)]
    if selection.failing is not None:
        chosen = [case for case in chosen if (suite, case.id) in selection.failing]
    return tuple(chosen if selection.limit is None else chosen[: selection.limit])


def _expression(text: str) -> Any:
    from _pytest.mark.expression import Expression  # noqa: PLC0415, pytest's own -k, which has no public door

    try:
        compiled = Expression.compile(text)
    except SyntaxError as error:
        message = f"--filter {text!r}: {error.msg or error}"
        raise UsageError(message) from None

    def matches(case: Case) -> bool:
        names = [name.lower() for name in (case.id, *case.tags)]

        def stands_in(wanted: str, /, **_keywords: object) -> bool:
            return any(wanted.lower() in name for name in names)

        return compiled.evaluate(stands_in)

    return matches


def _provenance(project: Project, bench: Bench, selection: Selection) -> SuiteProvenance:
    suite = bench.suite
    return SuiteProvenance(
        suite=bench.name,
        variant=bench.variant,
        cases=len(bench.cases),
        dataset=suite.dataset,
        dataset_digest=bench.dataset.digest,
        cassettes_digest=store.cassettes_digest(project.root, bench.name, tuple(case.id for case in bench.cases)),
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
        gate=dict(suite.gate),
        must_pass=tuple(suite.must_pass),
        normalise=suite.normalise,
        freeze=suite.freeze.model_dump(mode="json", exclude_defaults=True),
        selected=selection.narrows,
    )
