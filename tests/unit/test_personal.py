"""Personal data: found by form, by lists and by context; masked, redacted with consistent pseudonyms, and never sent out."""

import json
import os
import socket
import time
from pathlib import Path

import pandas as pd
import pytest

from ftkit.core.parameters.data import DataParameters
from ftkit.core.records.task import TaskCard
from ftkit.data import personal_data, personal_identifiers
from ftkit.data.curate import curate, load
from ftkit.data.curate import doubts as curate_doubts
from ftkit.data.data_card import data_card

PRESIDIO = Path(__file__).parents[3] / "shared" / "data" / "presidio_pii" / "synth_dataset_v2.json"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("My name is Lena Andersson.", ["name"]),
        ("my name is lena andersson", ["name"]),
        ("Please ask Dr. Holinka about it", ["name"]),
        ("Regards, Tom", ["first name"]),
        ("Sofia van der Berg called", ["name"]),
        ("Ken N. Fukuda wrote", ["name"]),
        ("I live at 90 Whitchurch Road", ["address"]),
        ("Send it to Bahnhofstraße 12", ["address"]),
        ("my SSN is 853-37-1694", ["SSN"]),
        ("from 192.168.178.24 at noon", ["IP"]),
        ("pay GB82 WEST 1234 5698 7654 32", ["IBAN"]),
        ("May I ask something? Will you help? My Quillo filter leaks", []),
        (
            "Hello, miss. What is the reason? Hello, sir. Let me ask. The doctor asks Dr. What he did",
            [],
        ),
        ("Order B-70084 of 12 May, 34 days", []),
        ("<name 3> wrote to <e-mail>", []),
    ],
)
def test_what_is_found(text, kinds):
    assert [f.kind for f in personal_data.find(text)] == kinds


@pytest.mark.parametrize(
    "address",
    [
        "14 Crown Street Kishiev Squares\n Suite 321\n London\n United Kingdom 75419",
        "692 Kuuse 53 Apt. 641, Grubbenvorst, Netherlands 04020",
        "180 Sahantie 72\nAAPAJÄRVI, LL 34736",
        "Unit 7349 Box 6067\nDPO AE 99081",
        "corner of Kuusiku 7 and Alexander Flat",
    ],
)
def test_an_address_of_several_lines_is_hidden_up_to_its_postal_code(address):
    text = f"please send it to {address}"
    found = [f for f in personal_data.find(text) if f.kind == "address"]
    assert [text[f.start : f.end].strip() for f in found] == [address]


def test_words_that_the_data_write_small_are_no_names():
    texts = ["I want to grant access", "please grant it", "Grant Berg asks", "the Grant is late"]
    common = personal_data.common_words(texts)
    assert "grant" in common
    assert personal_data.find("Reading the Grant now", common) == []


def test_the_same_value_has_the_same_pseudonym_and_twice_is_the_same_as_once():
    redactor = personal_data.Redactor()
    first = redactor.redact("I am Anna Keller, anna@example.org or +44 7700 900123")
    second = redactor.redact("Anna Keller again, not Jan Novák; write to ANNA@example.org")
    assert first == "I am <name 1>, <e-mail 1> or <phone 1>"
    assert second == "<name 1> again, not <name 2>; write to <e-mail 1>"
    assert redactor.redact(second) == second


def test_nothing_is_fetched(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    personal_identifiers._recognisers.cache_clear()
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert (
        personal_data.mask("mail jo@mail.example.co.uk or card 4111 1111 1111 1111")
        == "mail <e-mail> or card <card>"
    )


def curated(folder, **settings):
    rows = [
        (
            f"question {k} about {'abcdefghij'[k % 10] * (3 + k // 10)}",
            "billing" if k % 2 else "delivery",
        )
        for k in range(60)
    ]
    rows += [
        ("I am Anna Keller, where is parcel nine", "delivery"),
        ("Anna Keller wants her invoice again", "billing"),
    ]
    pd.DataFrame(rows, columns=["message", "answer"]).to_csv(folder / "rows.csv", index=False)
    p = DataParameters(
        run=str(folder / "run"),
        data=str(folder / "rows.csv"),
        meaning_rows=0,
        near_duplicate_threshold=1.0,
        **settings,
    )
    card = TaskCard(name="t", instruction="i", kind="label")
    done = curate(*load(p, folder), card, p)
    return done, data_card(done, p, folder, card), curate_doubts(done, card)


def test_rows_with_personal_data_are_shown_redacted_or_dropped_as_asked(tmp_path):
    _shown, card, doubts = curated(tmp_path)
    assert card.personal == {"name": 2} and len(doubts) == 2 and card.rows_used == 62
    redacted, card, doubts = curated(tmp_path, personal_data="redact")
    texts = [row["input"] for row in redacted.rows]
    assert (
        "<name 1> wants her invoice again" in texts
        and "I am <name 1>, where is parcel nine" in texts
    )
    assert not doubts and card.personal == {"name": 2}
    dropped, card, _ = curated(tmp_path, personal_data="drop")
    assert card.rows_used == 60 and card.rows_read == card.rows_used + card.rows_rejected
    assert [r["reason"] for r in dropped.rejected()] == ["personal data: name"] * 2


def test_a_model_that_names_people_is_asked_too(tmp_path):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    words = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "zarquon", "asks", "about", "bread"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=6,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label={0: "O", 1: "B-PER"},
    )
    model = BertForTokenClassification(config)
    ids, labels = torch.tensor([[2, 3, 4, 5]]), torch.tensor([[1, 0, 0, 0]])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(tmp_path)
    assert personal_data.find("zarquon asks about bread") == []
    assert [
        f.kind for f in personal_data.find("zarquon asks about bread", names_model=str(tmp_path))
    ] == ["name"]


@pytest.mark.skipif(not PRESIDIO.exists(), reason="the public data set presidio_pii is not here")
def test_identifiers_with_a_form_are_all_found_in_the_public_data():
    rows = json.loads(PRESIDIO.read_text())
    wanted = {"CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "PHONE_NUMBER"}
    missed = [
        (span["entity_type"], row["template_id"])
        for row in rows
        for span in row["spans"]
        if span["entity_type"] in wanted
        and not any(
            f.start < span["end_position"] and f.end > span["start_position"]
            for f in personal_data.find(row["full_text"])
        )
    ]
    assert missed == []


@pytest.mark.parametrize(
    "iban",
    [
        "GB82 WEST 1234 5698 7654 32",
        "GB82\u00a0WEST\u00a01234\u00a05698\u00a07654\u00a032",
        "gb82 west 1234 5698 7654 32",
        "gb82\u202fwest\u202f1234\u202f5698\u202f7654\u202f32",
        "Gb82West12345698765432",
        "GB82-WEST-1234-5698-7654-32",
        "GB82\u2011WEST\u20111234\u20115698\u20117654\u201132",
        "ＧＢ８２ WEST 1234 5698 7654 32",
        "GB82 WE\u00adST 1234 56\u200b98 7654 32",
        "de89 3704 0044 0532 0130 00",
    ],
)
def test_an_iban_is_masked_as_a_whole_however_it_is_written(iban):
    assert personal_data.mask(f"pay to {iban} today") == "pay to <IBAN> today"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail anna@example.org now", "mail <e-mail> now"),
        ("mail anna＠example．org now", "mail <e-mail> now"),
        ("call +44\u00a07700\u00a0900123 now", "call <phone> now"),
        ("call ＋４４ ７７００ ９００１２３ now", "call <phone> now"),
        ("card 4111\u00a01111\u20091111\u00a01111", "card <card>"),
        ("I am Jose\u0301 García.", "I am <name>."),
        ("Anna\u00a0Keller asks", "<name> asks"),
        ("I live at 90\u00a0Whitchurch\u00a0Road", "I live at <address>"),
    ],
)
def test_blanks_and_look_alike_letters_hide_nothing(text, masked):
    assert personal_data.mask(text) == masked


def test_a_name_whose_mail_address_stands_often_is_redacted():
    texts = ["Anna Keller, anna.keller@example.org", "write to anna.keller@example.org"] * 3
    texts += [
        "see https://example.org/anna/keller",
        r"C:\users\anna\keller",
        "ask @anna_keller",
    ] * 3
    texts += ["my name is anna keller", "anna keller again", "regards, anna"] * 3
    redactor = personal_data.Redactor(personal_data.common_words(texts))
    assert redactor.redact("I am Anna Keller") == "I am <name 1>"
    assert redactor.redact(texts[0]) == "<name 1>, <e-mail 1>"


def test_of_a_very_long_text_the_rest_is_left_out_and_told():
    text = "word " * 30_000
    masked = personal_data.mask(text)
    assert len(masked) < personal_data.LONGEST_SHOWN + 100
    assert masked.endswith(" further characters are not shown>")
    at = personal_data.LONGEST_SHOWN - 8
    assert "anna" not in personal_data.mask("w" * (at - 1) + " anna@example.org or bob")


def test_personal_data_at_the_edge_of_a_block_are_found():
    for at in range(1_700, 2_300, 7):
        text = f"{'word ' * (at // 5)}{'x' * (at % 5)} anna.keller@example.org {'word ' * 500}"
        assert [f.kind for f in personal_data.find(text)] == ["e-mail"]


PATTERNS = [
    *(
        "a@",
        "a",
        "a.",
        "1",
        "12 34 ",
        "(1(",
        "1:1:",
        "::",
        "1.1.1.",
        "gb82 west 1234 ",
        "A-",
        "Dr. ",
    ),
    *(
        "Anna Keller ",
        "Anna Keller\n",
        "12 Aaaa Bbbb ",
        "Rue de la ",
        "Astra",
        "<name 1",
        "van de ",
    ),
    *("my name is anna keller ", "anna@example.org ", "+44 7700 900123, ", "4111 1111 1111 1111 "),
    *(" ", "\u00a0", "\u200b", "e\u0301", "'", "\n"),
]
LARGEST = int(os.environ.get("FTKIT_LARGEST_MASKED", "32000"))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_twice_the_text_takes_no_more_than_twice_the_time(pattern):
    def seconds(length):
        text = (pattern * (length // len(pattern) + 1))[:length]
        began = time.process_time()
        personal_data.find(text)
        personal_data.common_words([text])
        return time.process_time() - began

    personal_data.find("warm +44 7700 900123, 1.1.1.1")
    small, large = (min(seconds(n) for _ in range(2)) for n in (LARGEST // 2, LARGEST))
    assert large <= 2.3 * small + 0.05
