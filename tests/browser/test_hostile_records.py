"""Records and scores that attack the page by every field of theirs: text is what they are."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from multiverse.contract.job_spec import ImageReference
from multiverse.contract.scores import Group, MetricFacts
from multiverse.facts import EngineFacts
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.scores import Evaluation, EvaluationRecord, Evaluator, ScoresFile
from tests.browser.conftest import Reader
from tests.unit.report.page.folder import (
    FACTS,
    Data,
    add_embeddings,
    add_failure,
    add_run,
    add_scores,
    make_folder,
)

#: Each is put into a field of its own, with the number of the field.
ATTACKS = (
    "<img src=http://evil.invalid/{n} onerror=\"window.stolen='image {n}'\">",
    "</script><script>window.stolen='script {n}'</script>",
    "</style><style>body{{display:none;background:url(http://evil.invalid/{n})}}</style>",
    "<link rel=stylesheet href=http://evil.invalid/{n}.css>",
    "<meta http-equiv=refresh content='0;url=http://evil.invalid/{n}'>",
    "<base href=http://evil.invalid/><form action=/{n}><button>free {n}</button></form>",
    "<svg onload=\"window.stolen='svg {n}'\"><a xlink:href='javascript:stolen=1'>x</a></svg>",
    "<iframe srcdoc=\"<script>parent.stolen='frame {n}'</script>\"></iframe>",
    "javascript:window.stolen='address {n}'",
    "' style='position:fixed;inset:0' onmouseover='window.stolen={n}' x='",
    "--></template></textarea></title><details open ontoggle=\"window.stolen='{n}'\">",
    "\u202e\u2066{n} nekots\u2069 \u200f\u061c",
    "]]>{{{{{n}}}}}${{{n}}}<%= {n} %>",
)
#: Of the folder itself: the page is called after it.
NAME = "<img src=x onerror=window.stolen='folder'> & $$x$$"
#: Characters that turn text around.
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
#: Of these an honest page has as many.
PARTS = (
    "script:not([type='application/json'])", "style", "template", "title", "body", "link", "meta",
    "img", "iframe", "object", "embed", "form", "base", "[ontoggle]", "[style*=fixed]",
)  # fmt: skip


class Attacker:
    """Gives each field the next attack."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self) -> str:
        self.given += 1
        return ATTACKS[self.given % len(ATTACKS)].format(n=self.given)

    def many(self, number: int = len(ATTACKS)) -> tuple[str, ...]:
        return tuple(self() for _ in range(number))

    def named(self, number: int = len(ATTACKS)) -> dict[str, str]:
        return {self(): self() for _ in range(number)}


def record_fields(attack: Attacker) -> dict[str, Any]:
    """Every field of a record that is text and names no place."""
    return {
        "message": attack(), "findings": attack.many(), "warnings": attack.many(),
        "dataset_fingerprint": Data().fingerprint,
        "model_version": attack(), "device": attack(), "parameters": attack.named(),
        "preprocessing": attack.named(), "modalities": attack.many(3),
        "identity": attack.named(), "environment_lock": attack(),
        "image": ImageReference(tag=attack(), digest=attack()),
        "engine": EngineFacts(name=attack(), version=attack(), isolation=attack()),
        "started_at": attack(), "finished_at": attack(), "experiment": attack(),
        "tags": attack.named(), "host": attack.named(), "versions": attack.named(),
        "ignored_files": attack.many(),
    }  # fmt: skip


def scores_of(attack: Attacker, honest: Evaluation) -> Evaluation:
    """The same numbers, and every word of theirs an attack."""
    return honest.model_copy(
        update={
            "labels_fingerprint": attack(),
            "modalities": dict.fromkeys(attack.many(3), 5),
            "notes": attack.many(),
            "sheet": honest.sheet.model_copy(
                update={
                    "labels": dict.fromkeys(attack.many(), 4),
                    "unlabelled": attack.many(),
                    "batches": dict.fromkeys(attack.many(), 4),
                }
            ),
            "evaluator": Evaluator(
                version=attack(),
                scib_metrics=attack(),
                settings=attack.named(),
                versions=attack.named(),
            ),
            "controls": {
                attack(): member.model_copy(update={"name": attack()})
                for member in honest.controls.values()
            },
            "records": (
                EvaluationRecord(
                    started_at=attack(),
                    finished_at=attack(),
                    members=attack.many(3),
                    engine=EngineFacts(name=attack(), version=attack(), isolation=attack()),
                    image=ImageReference(tag=attack(), digest=attack()),
                    host=attack.named(),
                    versions=attack.named(),
                    message=attack(),
                ),
            ),
        }
    )


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> ResultsFolder:
    results = ResultsFolder(tmp_path_factory.mktemp("records") / NAME)
    results.folder.mkdir()
    attack, data = Attacker(), Data()
    words = [
        MetricFacts(
            name=attack(), title=attack(), group=group, description=attack(), source=attack(),
            needs=attack.many(3),
        )
        for group in Group
    ]  # fmt: skip
    records = [
        add_run(
            results, data, model, changed=attack.named(), log="\n".join(attack.many()),
            epochs={attack(): [3.0, 2.0] for _ in ATTACKS}, **record_fields(attack),
        )
        for model in ("pca", "mofa")
    ]  # fmt: skip
    add_failure(
        results, data, "totalvi", changed=attack.named(), log="\n".join(attack.many()),
        **record_fields(attack),
    )  # fmt: skip
    honest = add_scores(results, data, records, facts=[*FACTS, *words])
    file = ScoresFile(dataset=data.slug, evaluations=(scores_of(attack, honest),))
    results.scores(data.slug).write_text(file.to_json())
    add_embeddings(results, data, records)
    return results


@pytest.fixture
def page(reader: Reader, hostile: ResultsFolder) -> Page:
    return reader.open(hostile)


def test_nothing_of_it_runs_or_is_fetched(page: Page) -> None:
    """What is asked of other machines, and what the policy refused, fails at the reader's end."""
    for part in page.locator("details > summary").all()[:80]:
        part.evaluate("(e) => { e.parentElement.open = true }")
    for text in page.locator("[data-tip], [title]").all()[:80]:
        text.dispatch_event("mouseover")
    page.wait_for_timeout(300)
    assert page.evaluate("window.stolen") is None
    assert page.evaluate(
        "[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes])"
        ".filter((a) => a.name.startsWith('on') || /javascript:/i.test(a.value) &&"
        " ['href', 'src', 'xlink:href', 'action'].includes(a.name)).length"
    ) == 0  # fmt: skip


def test_the_page_has_the_parts_of_an_honest_one(
    page: Page, reader: Reader, tmp_path_factory: pytest.TempPathFactory
) -> None:
    honest = reader.open(make_folder(tmp_path_factory.mktemp("honest"), ("mofa", "pca")))
    for part in PARTS:
        count = f'document.querySelectorAll("{part}").length'
        assert page.evaluate(count) == honest.evaluate(count), part
    assert page.evaluate("getComputedStyle(document.body).display") != "none"
    assert page.title().startswith(NAME)


def test_it_is_shown_as_text_and_turns_none_around(page: Page) -> None:
    shown = page.evaluate("document.body.textContent")
    for words in ("<img src=http://evil", "<meta http-equiv", "<iframe srcdoc", "</style><style>"):
        assert words in shown
    seen = page.evaluate("document.body.innerText")
    assert not set(seen) & set(TURNING)
