"""What customers say around a question or a request: greetings, frames, contexts, urgency cues, order numbers, typos.

Urgency cues stand in ``HIGH`` and ``LOW`` and nowhere else, so that the house rule can be recomputed from the text.
"""

from __future__ import annotations

import random
import re

GREETINGS = (
    "Hello,",
    "Hi,",
    "Hi there,",
    "Good morning,",
    "Good evening,",
    "Dear team,",
    "Dear Sir or Madam,",
    "Hey,",
    "Hello Fellmoor,",
    "Hi team,",
    "Good day,",
    "Hello again,",
)
CLOSINGS = (
    "Thanks!",
    "Thank you.",
    "Many thanks.",
    "Thanks for your help.",
    "Kind regards",
    "Best wishes",
    "Thanks a lot.",
    "Bye",
    "Yours, Mia",
    "Regards, Tom",
    "Greetings from the coast",
    "Thanks in advance.",
    "I look forward to your answer.",
)
FRAMES = (
    "What is {p}?",
    "Please tell me {p}.",
    "Can you tell me {p}?",
    "Could you let me know {p}?",
    "I would like to know {p}.",
    "I need to know {p}.",
    "Do you know {p}?",
    "I could not find {p} on your page.",
    "Where do I find {p}?",
    "My question is about {p}.",
    "Would you look up {p} for me?",
    "We want to know {p}.",
    "I am asking for {p}.",
    "Please send me {p}.",
    "Nobody could tell us {p}.",
    "I forgot {p}, please tell me again.",
    "One thing is not clear to me: {p}.",
    "Let me know {p}, please.",
    "What was {p} again?",
)
LEADS = (
    "",
    "",
    "",
    "A short question:",
    "Just one thing:",
    "Quick question.",
    "I have a question.",
    "Can you help me?",
    "One more question:",
    "Tell me please:",
    "I wonder:",
    "Maybe you can help:",
    "Question from our side:",
    "I hope you can help.",
)
CONTEXTS = (
    "We are planning a trip to the hills.",
    "My sister told me about you.",
    "I read your page but did not find it.",
    "Our group talks about it a lot.",
    "We are a family of four.",
    "I was in the shop with my son.",
    "I saw your advert in the paper.",
    "We go out in all weather.",
    "I am new to this.",
    "I have been a customer for years.",
    "Our club asked me to find out.",
    "My wife and I like your shop.",
    "We walk by the sea every summer.",
    "I asked on the phone and nobody knew.",
    "I am making a list.",
    "A neighbour said something else.",
    "We want to do it right.",
    "Your colleague did not know it.",
    "I looked in my papers.",
    "I am not sure what I read.",
    "My boss wants to know it.",
    "We talked about it at dinner.",
    "I write for my mother.",
    "I tried the phone first.",
    "It is my second message.",
    "We are back from the lake.",
    "My son says you know best.",
)
PRODUCT_CONTEXTS = (
    "My old one is gone.",
    "It is for a school class.",
    "It would be a present for my father.",
    "My friend has one too.",
    "The sheet in the box is wet.",
    "I lost the paper that came with it.",
    "Two of us want the same.",
    "I compare some shops.",
    "We use it every weekend.",
    "My brother uses it as well.",
    "The colour is lovely by the way.",
    "It has been in the cellar for a while.",
)
HIGH = (
    "This is urgent.",
    "It is very urgent.",
    "I need this today.",
    "Please answer right away.",
    "We leave tomorrow morning.",
    "It cannot wait.",
    "As soon as possible please.",
    "Our trip starts tomorrow.",
    "Please hurry.",
    "I must know it today.",
    "We need it at once.",
    "Time is running out.",
    "Please reply immediately.",
    "We are already on the way.",
)
LOW = (
    "No rush.",
    "There is no hurry.",
    "Whenever you have time.",
    "It can wait.",
    "Take your time.",
    "I am just curious.",
    "It is only for later.",
    "Any time is fine.",
    "Not important at the moment.",
    "Next month is early enough.",
    "It is nothing pressing.",
    "Answer when it is quiet.",
)
ORDERS = (
    "My order number is {o}.",
    "Order {o}.",
    "It is about order {o}.",
    "The order is {o}.",
    "See order {o}.",
    "Order no. {o}.",
    "You find it under {o}.",
    "Our order was {o}.",
    "The number is {o}.",
    "Number {o}.",
    "Reference {o}.",
    "I ordered it under {o}.",
)
NAMINGS = ("the {t}", "my {t}", "our {t}", "the {t}", "this {t}", "the {n}", "our {n}", "my {n}")
NAMINGS_BY_NOUN = {
    "shop": (
        "the {t}",
        "your {t}",
        "your shop in {n}",
        "the shop at {n}",
        "{n}",
        "your {n} branch",
    ),
    "membership": ("the {t}", "my {t}", "the {n} level", "a {t}", "the {n} card", "{n} level"),
    "delivery service": (
        "the {t}",
        "{n} delivery",
        "the {n} service",
        "your {n} service",
        "the {n} option",
    ),
    "payment plan": ("the {t}", "our {t}", "the {n} plan", "my {n} plan", "plan {n}"),
}
SYNONYMS = {
    "tent": "shelter",
    "backpack": "rucksack",
    "hiking boot": "boot",
    "stove": "cooker",
    "sleeping bag": "bag",
    "jacket": "coat",
    "headlamp": "lamp",
    "canoe": "boat",
    "climbing rope": "rope",
    "cool box": "box",
    "water filter": "filter",
    "snow sled": "sled",
    "walking stick": "stick",
    "camp chair": "chair",
    "sleeping mat": "mat",
    "raincoat": "rain jacket",
    "sports watch": "watch",
    "hammock": "hammock",
}
PROTECTED = {
    *re.findall(r"[a-z]+", " ".join(HIGH + LOW).lower()),
    "burned",
    "glove",
    "smells",
    "smoke",
}


def naming(rng: random.Random, name: str, noun: str) -> str:
    """Return what a customer calls a thing: mostly by its made-up name, for products sometimes only by what it is."""
    if noun in SYNONYMS and rng.random() < 0.07:
        return f"{rng.choice(['the', 'my', 'our'])} {noun}"
    frame = rng.choice(NAMINGS_BY_NOUN.get(noun, NAMINGS))
    said = SYNONYMS[noun] if noun in SYNONYMS and rng.random() < 0.3 else noun
    text = frame.replace("{t}", f"{name} {said}").replace("{n}", name)
    return text.replace(name, name.lower()) if rng.random() < 0.08 else text


def fill(frame: str, said: str) -> str:
    """Put what a customer calls the thing into a frame, capital letter first where it starts the sentence."""
    return frame.replace("{x}", said).replace("{X}", said[0].upper() + said[1:])


def order_number(rng: random.Random, business: bool) -> str:
    """Return an order number; those of business customers start with B-."""
    return f"{'B' if business else rng.choice('CFP')}-{rng.randint(10_000, 99_999)}"


def capital(sentence: str) -> str:
    """Return the sentence with a capital first letter."""
    return sentence[:1].upper() + sentence[1:]


def typo(rng: random.Random, text: str) -> str:
    """Return the text with one slip in a common word; names, numbers and urgency cues are left alone."""
    places = [m for m in re.finditer(r"\b[a-z]{5,}\b", text) if m.group() not in PROTECTED]
    if not places:
        return text
    place = rng.choice(places)
    word, at = place.group(), rng.randrange(1, len(place.group()) - 2)
    head, tail = word[:at], word[at:]
    slip = head + rng.choice([tail[1:], tail[1] + tail[0] + tail[2:], tail[0] + tail])
    return text[: place.start()] + slip + text[place.end() :]


CHAT = (
    (r"\byou\b", "u"),
    (r"\bplease\b", "pls"),
    (r"\bthanks\b|\bthank u\b", "thx"),
    (r"\bfor\b", "4"),
    (r"\bare\b", "r"),
    (r"\bhello\b|\bgood morning\b|\bgood evening\b|\bdear team\b", "yo"),
    (r"\bi am\b", "im"),
    (r"\bcannot\b", "cant"),
    (r"[.,!]", ""),
)


def chatty(rng: random.Random, text: str) -> str:
    """Return the text as people write in a phone chat: lower case, abbreviations, few signs; order numbers stay."""
    kept = {m.group().lower(): m.group() for m in re.finditer(r"\b[A-Z]-\d+", text)}
    said = text.lower()
    for pattern, short in CHAT:
        said = re.sub(pattern, short, said) if rng.random() < 0.8 else said
    for lower, order in kept.items():
        said = said.replace(lower, order)
    return said
