"""Certificates: the checker accepts those of proofs, and no other; it needs nothing of the prover."""

import json
import random
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest
from adversary import FINITE, solved
from hypothesis import given, settings, strategies as st

from dmmlab.cli.commands import main
from dmmlab.core.errors import LabError
from dmmlab.machines.exact_steps import exact_weight
from dmmlab.problems.streaming_tasks import STREAMING_TASKS
from dmmlab.proofs.certificates import CertificateError, check_certificate
from dmmlab.proofs.counterexamples import counterexample
from dmmlab.proofs.plain_steps import why_not_plain
from dmmlab.proofs.proofs import verify

EXPLORED = ["Add_Mod_3", "Parity_Last3", "Div_3", "Base_3_Addition", "Bit_Shift_Right"]
INDUCED = ["Sum_All", "Sum_Last3", "Max_Seen", "Newton_Spring", "Abs_Diff", "Prev2"]


@cache
def proved(name):
    machine, delays = solved(name)
    problem = STREAMING_TASKS[name].with_delay(delays)
    return problem, machine, json.loads(json.dumps(verify(problem, machine).certificate))


@pytest.mark.parametrize("name", EXPLORED + INDUCED)
def test_what_is_proved_has_a_certificate(name):
    problem, machine, certificate = proved(name)
    assert certificate["by"] == ("exploration" if name in EXPLORED else "induction")
    assert check_certificate(problem, machine, certificate) == "proved"
    other = STREAMING_TASKS["Add_Mod_4" if name == "Add_Mod_3" else "Parity_All"]
    with pytest.raises(LabError):
        check_certificate(other, machine, certificate)


def changed(rng, machine, certificate):
    """What was changed, the machine and the certificate."""
    certificate = json.loads(json.dumps(certificate))
    if rng.random() < 0.3:
        link = rng.choice([link for link in machine.links() if not link.hard])
        weight = float(exact_weight(link)) + rng.choice([-1, -0.5, 0.5, 1])
        return "weight", machine.link(".".join(link[:2]), ".".join(link[2:4]), weight), certificate
    if certificate["by"] == "exploration":
        row = rng.choice(certificate["transitions"])
        if rng.random() < 0.5:
            row[rng.randrange(len(row))] = rng.randrange(len(certificate["transitions"]))
        answers = certificate["answers"][rng.randrange(len(certificate["answers"]))]
        answers[0] += rng.choice([-1, 1])
        return "row", machine, certificate
    relation = certificate["relation"]
    port = rng.choice([port for port, terms in relation.items() if terms])
    if rng.random() < 0.2 and certificate["bounds"]:
        certificate["bounds"][rng.randrange(len(certificate["bounds"]))][1] = str(rng.randrange(-3, 3))
        return "bound", machine, certificate
    term = rng.choice(relation[port])
    term[rng.randrange(2)] = rng.choice([0, 1, 2, 3]) if rng.random() < 0.5 else "1/3" if rng.random() < 0.5 else "-2"
    return "coefficient", machine, certificate


@pytest.mark.slow
def test_a_hundred_changed_certificates_are_rejected_or_prove_what_is_right():
    """What is accepted is right, on all short strings: a bound that still holds, a weight that no answer depends on."""
    rng, outcomes = random.Random(0), Counter()
    for i in range(110):
        name = rng.choice(EXPLORED + INDUCED)
        problem, machine, certificate = proved(name)
        what, other, tampered = changed(rng, machine, certificate)
        if (other, tampered) == (machine, certificate):
            continue
        try:
            check_certificate(problem, other, tampered)
        except LabError:
            outcomes[what, "rejected"] += 1
        else:
            outcomes[what, "accepted"] += 1
            assert counterexample(problem, other, problem.validation()[:10]) is None, (i, name, what)
    assert sum(outcomes.values()) >= 100
    assert not outcomes["row", "accepted"]
    assert sum(n for (_, how), n in outcomes.items() if how == "rejected") > 80


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["by", "delays", "length", "items", "answers", "transitions", "relation", "bounds", "depth", "passing"]),
    st.sampled_from(["Add_Mod_3", "Sum_All"]),
)
def test_a_certificate_is_data(junk, key, name):
    """Whatever stands in it, it is accepted or told of in one line."""
    problem, machine, certificate = proved(name)
    for tampered in ({**certificate, key: junk}, junk):
        told = ""
        try:
            assert check_certificate(problem, machine, tampered, seconds=5.0) in ("proved", "exhaustive")
        except LabError as error:
            told = str(error)
        assert "\n" not in told
        assert len(told) < 500


def test_numbers_in_a_certificate_are_of_bounded_size():
    problem, machine, certificate = proved("Sum_All")
    port = next(iter(certificate["relation"]))
    for number in ("1e999999999", "1" * 10_000, "0x10", "1/0"):
        with pytest.raises(CertificateError):
            check_certificate(problem, machine, {**certificate, "relation": {port: [[0, number]]}})
    with pytest.raises(CertificateError, match="delays that cannot be"):
        check_certificate(STREAMING_TASKS["Sum_All"], machine, {**certificate, "delays": [10**9]})


def test_an_exhaustive_certificate_says_no_more_than_was_tried():
    problem, machine, certificate = proved("Add_Mod_3")
    rows = 4  # the first state, and those that one item leads to
    part = {"answers": certificate["answers"][:rows], "transitions": certificate["transitions"][:rows]}
    for length, is_shown in ((0, False), (1, False), (None, False)):
        with pytest.raises(CertificateError):
            assert check_certificate(problem, machine, {**certificate, **part, "length": length}) == is_shown
    part = {"answers": certificate["answers"][:13], "transitions": certificate["transitions"][:13]}
    assert check_certificate(problem, machine, {**certificate, **part, "length": 1}) == "exhaustive"


def test_the_checker_imports_nothing_of_the_prover():
    code = "import sys, dmmlab.proofs.certificates; print([m for m in sys.modules if m.startswith('dmmlab')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "certificates" in loaded
    assert not [name for name in ("explorations", "inductions", "proofs.proofs", "observed_transitions") if name in loaded]


def test_the_command_line(tmp_path, capsys):
    machine, task = str(tmp_path / "machine.json"), "Add_Mod_3"
    solved(task)[0].to_json(machine)
    saved = str(tmp_path / "certificate.json")
    assert main(["verify", machine, task, "--save", saved]) == 0
    assert "if the target is a function of the string" in capsys.readouterr().out
    assert main(["verify", machine, task, "--check", saved, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["grade"] == "proved"
    assert main(["verify", machine, "Add_Mod_4", "--check", saved]) == 1
    assert capsys.readouterr().out.startswith("the certificate is rejected: ")
    assert main(["verify", machine, "Add_Mod_4", "--save", saved]) == 1
    assert "there is no certificate of a machine that is wrong" in capsys.readouterr().err


def test_all_finite_tasks_have_plain_steps_or_need_none():
    """Which steps may be run on symbols is a matter of bytecode, on any version of Python."""
    plain = {name for name in STREAMING_TASKS if not why_not_plain(STREAMING_TASKS[name].target.step)}
    assert plain >= {*INDUCED, "Majority_0_1", "Balanced_Parenthesis", "Newton_Magnetic", "Current_Number", "Prev5"}
    assert plain & set(FINITE)


def with_exception(s, x):
    try:
        return s, x
    except TypeError:
        return s, 0


@pytest.mark.parametrize(
    "step",
    [
        with_exception,
        lambda s, x: (s, isinstance(s, int)),
        lambda s, x: (s, {1: 2}[x]),
        lambda s, x: (s, [y for y in (s, x)][0]),  # noqa: C416, RUF015
        lambda s, x: (s, s is x),
        lambda s, x: (s, s in (1, 2)),
        lambda s, x: (s, f"{s}"),
        lambda s, x: (s, s.real),
        lambda s, x: (s, s | x),
        lambda s, x: (s, s**x),
        lambda s, x: (s, int(x)),
        lambda s, x, table=[]: (s, x),
        lambda s, x: (s, random.random()),
        print,
    ],
)
def test_what_is_not_plain(step):
    assert why_not_plain(step)
