"""Made-up facts, the small articles that tell them, and the questions that ask for them in other words."""

from __future__ import annotations

from dataclasses import dataclass, field

from recipes.nano.draw import Draw

# Each topic: its name, how an article says it ({v} the value, {n} the thing), how people ask for it. Unseen topics are
# covered by the open ones, which are any word of the lexicon asked for by itself or by a near word.
TOPICS: list[tuple[str, list[str], list[str]]] = [
    (
        "return period",
        ["You may bring the {n} back for {v}.", "Returns of the {n} are taken for {v}."],
        [
            "how long can I give it back",
            "by which day can I return the {n}",
            "can I still send the {n} back",
        ],
    ),
    (
        "guarantee",
        ["The {n} is covered for {v}.", "Our guarantee on it lasts {v}."],
        [
            "how long is the {n} guaranteed",
            "does a warranty cover the {n}",
            "it broke, am I still covered",
        ],
    ),
    (
        "delivery time",
        ["The {n} gets to you after {v}.", "Shipping takes {v}."],
        [
            "when will the {n} arrive",
            "how long does shipping take",
            "how fast do you deliver the {n}",
        ],
    ),
    (
        "delivery cost",
        ["Sending the {n} costs {v}.", "For shipping we charge {v}."],
        ["what do I pay for delivery", "how much is the postage", "is shipping of the {n} free"],
    ),
    (
        "weight",
        ["It weighs {v}.", "The {n} has a weight of {v}."],
        ["how heavy is the {n}", "what does the {n} weigh", "can I carry the {n} alone"],
    ),
    (
        "height",
        ["It is {v} high.", "The {n} stands {v} tall."],
        ["how tall is the {n}", "what is its height", "does it fit under the roof"],
    ),
    (
        "price",
        ["It is sold at {v}.", "You pay {v} for the {n}."],
        ["how much is the {n}", "what does it cost", "how expensive is the {n}"],
    ),
    (
        "battery",
        ["One charge lasts {v}.", "The battery of the {n} runs for {v}."],
        [
            "how long does the battery hold",
            "when must I charge the {n}",
            "how long can I use it without power",
        ],
    ),
    (
        "washing",
        ["Wash it at {v}.", "The {n} can be cleaned at {v}."],
        [
            "how warm may I wash the {n}",
            "how do I clean it",
            "what is the right washing temperature",
        ],
    ),
    (
        "opening hour",
        ["We open at {v}.", "The doors of {n} open at {v}."],
        ["when do you open", "how early can I come in", "at what time does {n} open"],
    ),
    (
        "closing hour",
        ["We close at {v}.", "The last guests of {n} leave at {v}."],
        ["when do you close", "how late can I come", "until what time is {n} open"],
    ),
    (
        "repair time",
        ["A repair is done in {v}.", "Our workshop needs {v} to mend the {n}."],
        [
            "how long does fixing take",
            "when do I get it back repaired",
            "how long will you keep it for repair",
        ],
    ),
    (
        "cancellation",
        ["You can cancel up to {v} before.", "Notice for the {n} is {v}."],
        [
            "how late can I cancel",
            "can I still call it off",
            "what is the notice for ending the {n}",
        ],
    ),
    (
        "age limit",
        ["The {n} is for people from {v}.", "Nobody below {v} may use it."],
        ["how old must one be", "may my child use the {n}", "what is the least age"],
    ),
    (
        "deposit",
        ["We ask for a deposit of {v}.", "A deposit of {v} is kept for the {n}."],
        [
            "what do I leave with you at first",
            "what is the deposit for the {n}",
            "what do you keep as security",
        ],
    ),
    (
        "capacity",
        ["It holds {v}.", "The {n} has room for {v}."],
        ["how much goes in", "how many fit into the {n}", "how big is the {n} inside"],
    ),
    (
        "storage",
        ["Uncollected, it waits for {v}.", "We store the {n} for {v}."],
        [
            "how long do you hold it for me",
            "until when can I collect the {n}",
            "how long is it kept",
        ],
    ),
    (
        "late fee",
        ["Being late costs {v}.", "For a late {n} we take {v}."],
        ["what happens if I am late", "how much is the fine", "what do I pay for a late {n}"],
    ),
    (
        "colour",
        ["It comes in {v}.", "The {n} is made in {v} only."],
        ["which colours are there", "what colour is the {n}", "can I get the {n} in another shade"],
    ),
    (
        "dose",
        ["Take {v} of it.", "The dose of {n} is {v}."],
        ["how much do I take", "what is the right dose", "how many of {n} should I swallow"],
    ),
]
OPEN_SAID = [
    "The {t} is {v}.",
    "Its {t} is {v}.",
    "The {t} of the {n} is {v}.",
    "The {n} has a {t} of {v}.",
    "For {t} we count {v}.",
    "{t}: {v}.",
    "As to the {t}, it is {v}.",
    "With the {n} the {t} comes to {v}.",
    "The {t} was set to {v}.",
    "Expect {v} for the {t}.",
    "{v} is the {t}.",
]
OPEN_ASKED = [
    "what is the {t} of the {n}",
    "what about the {t}",
    "tell me the {t} of the {n}",
    "{t}",
    "which {t} does the {n} have",
    "I need the {t}",
    "{n} {t}",
    "how is the {t} for my {n}",
    "do you know the {t}",
    "what {t} should I expect",
    "I want to know about {t} for the {n}",
    "and the {t}",
]
NOISE = [
    "Ask our team for more.",
    "This page was checked in 20{a}.",
    "Call us on {b}.",
    "See also article {a}.",
    "It is made by {m}.",
    "Most people like it.",
    "We have sold {b} of them.",
    "Please keep the receipt.",
    "The rule holds in all shops.",
    "{m} wrote this article.",
    "It has {a} parts.",
    "There are {a} of them in stock.",
    "Nothing else is needed.",
    "Keep it away from children.",
    "More is told in the booklet.",
    "It was changed on {a} {o}.",
]


@dataclass
class Fact:
    """One made-up fact: a topic of a thing has a value.

    Attributes:
        thing: What it is about, e.g. 'Velora lamp'.
        topic: The topic's name.
        value: The value, e.g. '34 days'.
        said: The sentence that tells it.
        asked: Questions for it, without closing mark.
    """

    thing: str
    topic: str
    value: str
    said: str
    asked: list[str]


@dataclass
class Article:
    """One passage: its id, its thing, the facts it tells and its text."""

    id: str
    thing: str
    facts: list[Fact] = field(default_factory=list)
    text: str = ""


def fact(d: Draw, thing: str, taken: set[str]) -> Fact:
    """Draw a fact about a thing on a topic that is not taken yet, and mark its topic (and near words) as taken."""
    value = d.value()
    for _ in range(60):
        if d.chance(0.4):
            topic, said, asked = d.rng.choice(TOPICS)
            words = set(topic.split())
        else:
            topic, said, asked = d.rng.choice(d.topics), OPEN_SAID, OPEN_ASKED
            words = {topic, *(v for v, _ in d.lexicon.near[topic][:14])}
        if not words & taken:
            break
    taken |= words
    sentence = d.rng.choice(said).format(t=topic, v=value, n=thing)
    questions = asked
    if said is OPEN_SAID:
        close = [v for v, c in d.lexicon.near[topic][:4] if c >= 55]
        word = d.rng.choice(close) if close and d.chance(0.1 + 0.35 * d.level) else topic
        questions = [a.replace("{t}", word) for a in asked]
    return Fact(thing, topic, value, sentence[0].upper() + sentence[1:], questions)


def article(d: Draw, thing: str, taken: set[str], count: int) -> Article:
    """Draw an article about a thing with a number of facts."""
    made = Article(d.article_id(), thing, [fact(d, thing, taken) for _ in range(count)])
    if d.chance(0.5 * (1 - d.level)):
        # The plainest form, key directly before value, which copying alone can answer: the first step towards lookup.
        for f in made.facts:
            f.said = f"{thing} {f.topic}: {f.value}."
        made.text = f"[{made.id}] " + " ".join(f.said for f in made.facts)
        return made
    sentences = [f.said for f in made.facts]
    for _ in range(d.rng.randint(0, 1 + round(1.6 * d.level))):
        noise = d.rng.choice(NOISE).format(
            a=d.rng.randint(2, 99), b=d.digits(3, 5), m=d.name(), o=d.pick("May", "June", "July")
        )
        sentences.insert(d.rng.randint(0, len(sentences)), noise)
    about = made.facts[0].topic
    title = d.pick(
        f"{thing} {about}",
        thing,
        f"{about.capitalize()} of the {thing}",
        f"{thing}: {about}",
        f"About {thing}",
        f"{thing} {d.word()}",
    )
    made.text = f"[{made.id}] {title}. {' '.join(sentences)}"
    return made


def shelf(d: Draw) -> list[Article]:
    """Draw the passages of a lesson: one thing each, or the same thing twice; one to three facts each."""
    most = 1 + round(3 * d.level)
    count = d.rng.randint(1, most)
    articles: list[Article] = []
    things: list[str] = []
    alike = d.chance(0.4 * d.level)
    shared: set[str] = set()
    for _ in range(count):
        thing = d.rng.choice(things) if things and alike and d.chance(0.4) else d.thing()
        # Either topics differ everywhere (one key suffices), or only within a thing (thing and topic are both needed).
        taken = shared if not alike or thing in things else set()
        things.append(thing)
        articles.append(article(d, thing, taken, d.rng.randint(1, 2 + (d.chance(d.level)))))
    return articles


def absent(d: Draw, articles: list[Article]) -> Fact:
    """Draw a fact that no passage tells: another topic of a thing, a told topic of another thing, or both new."""
    if articles and d.chance(0.3):
        told = d.rng.choice(d.rng.choice(articles).facts)
        return Fact(d.thing(), told.topic, "", "", told.asked)
    taken = {
        w
        for a in articles
        for f in a.facts
        for w in (*f.topic.split(), *(v for v, _ in d.lexicon.near.get(f.topic, [])))
    }
    thing = d.rng.choice(articles).thing if articles and d.chance(0.5) else d.thing()
    return fact(d, thing, taken)


def question(d: Draw, about: Fact) -> str:
    """Return a question for a fact; the thing is named in it."""
    asked = d.rng.choice(about.asked)
    if "{n}" not in asked:
        asked = d.pick(
            f"{asked} for the {{n}}",
            f"{{n}}: {asked}",
            f"I have the {{n}}, {asked}",
            f"about {{n}}, {asked}",
            f"{asked} with my {{n}}",
        )
    asked = asked.format(n=about.thing)
    return (
        asked[0].upper() + asked[1:] + "?"
        if d.chance(0.4)
        else asked + d.pick("?", "", ".", " please?", "??")
    )


def with_passages(articles: list[Article], message: str) -> str:
    """Return the user's turn with passages, in the workbench's form."""
    return "Passages:\n" + "\n".join(a.text for a in articles) + f"\n\nMessage: {message}"
