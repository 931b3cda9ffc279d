"""A finished run folder with planted figures, made in a second without any model: for the report and the pipeline."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from ftkit.core import run_folder
from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.parameters.models import MODELS
from ftkit.core.parameters.task import TaskParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.data import EXAMPLE_COLUMNS, DataCard, Defect
from ftkit.core.records.deployment import DeploymentCard, LoadPoint, Parity, ServingFile
from ftkit.core.records.monitoring import MonitoringCard, WatchedSignal
from ftkit.core.records.prompting import Prompt, PromptBook, PromptTrial
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.strategy import ANSWER_COLUMNS, StrategySpec
from ftkit.core.records.training import PreferenceCard, TrainingCard, TrainPoint
from ftkit.core.statistics import wilson
from ftkit.decision.decide import decide
from ftkit.decision.suitability import suitability
from ftkit.evaluation.conclude import conclude
from ftkit.scoring.score import score
from ftkit.scoring.task_card import build_card

RIGHT = {"prompting": 0.21, "few-shot": 0.34, "RAG": 0.45, "fine-tuned": 0.55, "hybrid": 0.86}
MODEL = {
    "prompting": ("base", False),
    "few-shot": ("base", False),
    "RAG": ("base", True),
    "fine-tuned": ("tuned", False),
    "hybrid": ("tuned", True),
}
HOSTILE = "</script></style><script>alert(1)</script><img src=x onerror=alert(1)> <a href='javascript:alert(1)'>\u202egnp.exe {{7*7}}"
TRUTH = {"category": "delivery", "urgency": "high", "reply": "34 days", "source": "H-012"}


def make_run(
    folder: Path,
    right: dict[str, float] | None = None,
    n: int = 240,
    hostile: str = "",
    until: str = "monitoring",
) -> Path:
    """Write every stage's records up to one stage; ``hostile`` text stands wherever data stand."""
    made = [
        _task,
        _data,
        _prompting,
        _retrieval,
        _training,
        _preference,
        _evaluation,
        _decision,
        _deployment,
        _monitoring,
    ]
    for stage, write in zip(run_folder.STAGES, made, strict=True):
        p = MODELS[stage]()
        work = run_folder.Stage(folder, stage, p.model_dump(mode="json", exclude={"run"}))
        outputs = write(work, {"right": right or RIGHT, "n": n, "hostile": hostile})
        work.done(outputs, seed=p.seed)
        if stage == until:
            break
    return folder


def estimate(value: float, n: int = 200, half: float = 0.05) -> Estimate:
    return Estimate(
        value=value, low=max(0.0, value - half), high=min(1.0, value + half), n=n, method="planted"
    )


def _task(work, case):
    p = TaskParameters(name=f"Fellmoor customer desk{case['hostile']}")
    run_folder.write_record(work.path("task.json"), build_card(p))
    run_folder.write_record(work.path("suitability.json"), suitability(p))
    return ["task.json", "suitability.json"]


def _examples(case):
    rows = []
    for split, count in (("train", 600), ("validation", 100), ("test", case["n"])):
        for k in range(count):
            text = f"Where is my parcel B-{k:05d}? Write to jo.{k}@example.org or +44 7700 900{k:03d}.{case['hostile']}"
            rows.append(
                (
                    f"{split}-{k}",
                    text,
                    json.dumps(TRUTH),
                    f"c{k % 90}",
                    f"{split}-{k}",
                    split,
                    k,
                    False,
                )
            )
    return pd.DataFrame(rows, columns=EXAMPLE_COLUMNS)


def _data(work, case):
    examples = _examples(case)
    run_folder.write_table(work.path("examples.parquet"), examples)
    run_folder.write_text(work.path("rejected.jsonl"), "")
    card = DataCard(
        file="demo.csv",
        file_sha256="a" * 64,
        encoding="utf-8",
        separator=",",
        rows_read=1200,
        rows_rejected=210,
        rows_used=len(examples),
        defects=[
            Defect(
                kind="exact copies",
                count=60,
                removed=60,
                action="taken out",
                examples=[f"row 12: copy of row 4{case['hostile']}"],
            ),
            Defect(
                kind="personal data",
                count=31,
                action="kept; mask before sharing",
                examples=["row 7: <e-mail>"],
            ),
        ],
        splits={"train": 600, "validation": 100, "test": case["n"]},
        input_words_p50=14,
        input_words_p95=31,
        output_words_p50=6,
        output_words_p95=9,
        leakage_before={"exact": 22, "near": 41},
        leakage_after={"exact": 0, "near": 0},
        volume_verdict="600 training examples: enough for a narrow task (500 to 1,000).",
        detectable_points=8.9,
    )
    run_folder.write_record(work.path("data_card.json"), card)
    return ["examples.parquet", "data_card.json", "rejected.jsonl"]


def _trial(name, value, shots=(), system="Answer the customer message."):
    prompt = Prompt(name=name, system=system, shots=list(shots), sha256="b" * 64)
    return PromptTrial(
        prompt=prompt,
        accuracy=estimate(value, 60, 0.1),
        format_ok=0.9,
        prompt_tokens_mean=120 + 80 * len(shots),
        seconds_per_answer=0.05,
    )


def _prompting(work, case):
    system = f"Answer the customer message in the house format.\nAnswer with JSON.{case['hostile']}"
    trials = [
        _trial("plain", 0.2, system=system),
        _trial("spelt out", 0.25, system=system),
        _trial("4 examples", 0.36, ["train-1", "train-2"], system),
    ]
    book = PromptBook(
        trials=trials, zero_shot="spelt out", few_shot="4 examples", validation_items=60
    )
    run_folder.write_record(work.path("prompts.json"), book)
    run_folder.write_table(work.path("trials.parquet"), pd.DataFrame({"a": [1]}))
    return ["prompts.json", "trials.parquet"]


def _retrieval(work, case):
    card = RetrievalCard(
        enabled=True,
        documents=80,
        chunks=80,
        embedding_model="minilm",
        top_k=2,
        chosen="hybrid",
        questions=80,
        hit_rate={
            f"{m}@{k}": estimate(v + 0.02 * k)
            for m, v in (("vector", 0.78), ("bm25", 0.84), ("hybrid", 0.88))
            for k in (1, 2, 3)
        },
        prompt="spelt out",
        prompt_trials=[_trial("spelt out", 0.44)],
        labelled_by="the citation in the right answer",
        chunks_sha256="c" * 64,
    )
    run_folder.write_record(work.path("retrieval.json"), card)
    return ["retrieval.json"]


def training_card(hostile=""):
    log = [
        TrainPoint(
            step=40 * k,
            epoch=k,
            loss=1.8 * 0.6**k,
            validation_loss=1.6 * 0.7**k + 0.02 * k,
            learning_rate=0.002 * (1 - k / 8),
            tokens_per_s=4000.0,
        )
        for k in range(1, 8)
    ]
    return TrainingCard(
        method="lora",
        base="nano",
        base_sha256="d" * 64,
        adapter="training/adapter",
        prompt="spelt out",
        parameters=2_880_000,
        trainable_parameters=260_000,
        examples=600,
        general_examples=82,
        epochs=7,
        steps=280,
        tokens=500_000,
        duration_s=95,
        peak_memory_gib=1.1,
        log=log,
        best_validation_loss=min(x.validation_loss or 9 for x in log),
        stopped_early=True,
        verdict="learnt",
        advice="Validation loss fell and levelled off.",
        loss_sample=[
            ("Message: ", False),
            (f"where?{hostile}", False),
            ("34", True),
            (" days", True),
            ("<|end|>", True),
        ],
    )


def _training(work, case):
    run_folder.write_record(work.path("training.json"), training_card(case["hostile"]))
    return ["training.json"]


def _preference(work, case):
    run_folder.write_record(
        work.path("preference.json"), PreferenceCard(method="none", reason="off")
    )
    return ["preference.json"]


def _specs(right):
    return [
        StrategySpec(
            name=f,
            family=f,
            model=MODEL[f][0],
            prompt="spelt out",
            retriever=MODEL[f][1],
            adapter="training/adapter" if MODEL[f][0] == "tuned" else "",
        )
        for f in right
    ]


def _answers(case, items):
    rng, rows = np.random.default_rng(3), []
    ability = rng.random(len(items))
    for family, share in case["right"].items():
        noise = rng.random(len(items))
        mixed = np.argsort(np.argsort(0.6 * ability + 0.4 * noise)) / len(items)
        for item, x, doubt in zip(items["id"], mixed, noise, strict=True):
            wrong = {**TRUTH, "reply": f"12 days{case['hostile']}"} if x < 0.95 else "no idea"
            text = (
                json.dumps(TRUTH)
                if x < share
                else json.dumps(wrong)
                if isinstance(wrong, dict)
                else wrong
            )
            sure = 1 - 0.6 * x - 0.3 * doubt
            rows.append(
                (
                    item,
                    family,
                    text,
                    150,
                    22,
                    0.05,
                    ["H-012#0"],
                    ["[H-012] Delivery. It takes 34 days."],
                    0,
                    sure,
                    "answered",
                    "",
                    "",
                    0,
                )
            )
    return pd.DataFrame(rows, columns=ANSWER_COLUMNS)


def _evaluation(work, case):
    examples = run_folder.read_table(work.of("data", "examples.parquet"))
    items = examples[examples["split"] == "test"].reset_index(drop=True)
    answers, card = _answers(case, items), build_card(TaskParameters())
    scores = score(
        card, items, answers, {i: ["It takes 34 days."] for i in items["id"]}, sources={"H-012"}
    )
    found = conclude(
        _specs(case["right"]),
        card,
        items,
        answers,
        scores,
        test_accesses=["2026-11-25T02:00:00Z"],
        duration_s=61,
        n_resamples=300,
    )
    run_folder.write_table(work.path("answers.parquet"), answers)
    run_folder.write_table(work.path("scores.parquet"), scores)
    run_folder.write_record(work.path("evaluation.json"), found)
    return ["answers.parquet", "scores.parquet", "evaluation.json"]


def _decision(work, case):
    from ftkit.core.records.evaluation import Evaluation
    from ftkit.core.records.task import Suitability

    read = run_folder.read_record
    made = decide(
        read(work.of("evaluation", "evaluation.json"), Evaluation),
        read(work.of("training", "training.json"), TrainingCard),
        read(work.of("data", "data_card.json"), DataCard),
        read(work.of("task", "suitability.json"), Suitability),
        DecisionParameters(max_unsupported=0.9, min_format_ok=0.5, min_accuracy=0.3),
    )
    run_folder.write_record(work.path("decision.json"), made)
    return ["decision.json"]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _deployment(work, case):
    def told(path, right, cause, passed):
        return Parity(
            path=path,
            items=16,
            identical=wilson(right, 16),
            cause=cause,
            explanation="16 of 16",
            passed=passed,
            first_differences=[] if passed else [f"m-1, word 1: 'a' became '{case['hostile']}b'"],
        )

    card = DeploymentCard(
        strategy="hybrid",
        family="hybrid",
        verdict="hybrid",
        export="deployment/export",
        form="adapter",
        size_mib=3.2,
        parity=[
            told("from the exported files", 16, "none", True),
            told("through the server", 16, "none", True),
        ],
        faults=[told("fault: chat template", 2, "another chat template or prompt", False)],
        serving=[
            ServingFile(name="serving/vllm.sh", platform="vLLM", checked="parsed by bash; not run")
        ],
        load=[
            LoadPoint(
                clients=n, requests=48, failed=0, answers_per_s=r, p50_s=n / r, p95_s=1.4 * n / r
            )
            for n, r in ((1, 6), (4, 18), (16, 40))
        ],
    )
    run_folder.write_record(work.path("deployment.json"), card)
    return ["deployment.json"]


def _monitoring(work, case):
    weeks = [f"2026-06-{day:02d}" for day in (1, 8, 15, 22)]
    signal = WatchedSignal(
        name="unknown words",
        unit="share",
        usual=0.01,
        values=[0.01, 0.01, 0.06, 0.07],
        p_values=[0.5, 0.4, 1e-9, 1e-9],
        since=weeks[2],
    )
    card = MonitoringCard(
        log="log.jsonl",
        rows=400,
        weeks=weeks,
        rows_per_week=[100] * 4,
        reference="the examples of 02",
        signals=[signal],
        p_limit=1e-3,
        examples=[(weeks[2], f"new{case['hostile']}")],
        words=[("rundo", 0.0, 0.2)],
        label_rows=60,
        verdict="label first",
        reasons=["Since the week of 2026-06-15: unknown words went from 0.01 to 0.07 (share)."],
        next_steps=["Fill in label_sample.csv."],
    )
    run_folder.write_record(work.path("monitoring.json"), card)
    return ["monitoring.json"]
