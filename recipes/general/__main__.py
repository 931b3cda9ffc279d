"""General questions for any base, and general lessons for the training mix: ``python -m recipes.general``.

Seven skills, each question checked by a rule and by nothing else (a word that must stand in the answer, a number, the rules of
IFEval). Lessons are of the same skills, on other facts, numbers and words than the questions.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

TARGET = Path(__file__).parents[2] / "ftkit" / "evaluation" / "general"
QUESTIONS, LESSONS = 70, 60  # of each skill
FACTS = """What is the capital of France?|Paris;What is the capital of Italy?|Rome;What is the capital of Japan?|Tokyo
What is the capital of Germany?|Berlin;What is the capital of Spain?|Madrid;What is the capital of Egypt?|Cairo
What is the capital of Russia?|Moscow;What is the capital of Greece?|Athens;What is the capital of Norway?|Oslo
What is the capital of Canada?|Ottawa;What is the capital of Portugal?|Lisbon;What is the capital of Austria?|Vienna
What is the capital of Poland?|Warsaw;What is the capital of Ireland?|Dublin;What is the capital of Cuba?|Havana
What is the capital of Kenya?|Nairobi;What is the capital of Peru?|Lima;What is the capital of China?|Beijing
Which planet is closest to the sun?|Mercury;Which planet is known as the red planet?|Mars;What is the largest planet?|Jupiter
What gas do plants take in from the air?|carbon dioxide;What gas do humans need to breathe?|oxygen;What is frozen water called?|ice
How many days does a week have?|7;How many months does a year have?|12;How many legs does a spider have?|8;How many legs does an insect have?|6
How many minutes does an hour have?|60;How many continents are there?|7;How many sides does a triangle have?|3;How many sides does a hexagon have?|6
Who wrote Romeo and Juliet?|Shakespeare;Who painted the Mona Lisa?|Leonardo;Who developed the theory of relativity?|Einstein
Who wrote Harry Potter?|Rowling;Who was the first person on the moon?|Armstrong;Who discovered penicillin?|Fleming
Which animal is called the king of the jungle?|lion;Which animal gives us wool?|sheep;Which insect makes honey?|bee;What is a baby dog called?|puppy
What is a baby cat called?|kitten;Which bird cannot fly and lives in Antarctica?|penguin;What is the largest animal on earth?|whale;What is the tallest animal?|giraffe
Which language is spoken in Brazil?|Portuguese;Which language is spoken in Mexico?|Spanish;Which language is spoken in Austria?|German
What is the chemical symbol of gold?|Au;What is the chemical symbol of oxygen?|O;What is the chemical formula of water?|H2O;What is the chemical symbol of iron?|Fe
Which ocean lies between Europe and America?|Atlantic;What is the largest ocean?|Pacific;What is the longest river in Africa?|Nile;What is the highest mountain?|Everest
Which organ pumps blood?|heart;Which organ do we think with?|brain;Which organ do we breathe with?|lungs;What do we call a doctor for teeth?|dentist
What colour do you get from blue and yellow?|green;What colour do you get from red and white?|pink;What colour is a banana?|yellow;What colour is snow?|white
On which continent is Egypt?|Africa;On which continent is Brazil?|South America;On which continent is India?|Asia;On which continent is Italy?|Europe
What is the opposite of hot?|cold;What is the opposite of big?|small;What is the opposite of early?|late;What is the opposite of empty?|full
What is the plural of mouse?|mice;What is the plural of child?|children;What is the past tense of go?|went;What is the past tense of see?|saw
Which season comes after winter?|spring;Which day comes after Monday?|Tuesday;Which month comes after June?|July;Which day comes before Sunday?|Saturday
What currency is used in Japan?|yen;What currency is used in Germany?|euro;What currency is used in the United Kingdom?|pound;What currency is used in India?|rupee
What do bees collect from flowers?|nectar;At how many degrees Celsius does water boil?|100;At how many degrees Celsius does water freeze?|0;Which metal is liquid at room temperature?|mercury
Which star is closest to the earth?|sun;Which planet has rings that are easily seen?|Saturn;In which country are the pyramids of Giza?|Egypt;In which city is the Eiffel Tower?|Paris
In which country is the Great Wall?|China;In which city is Big Ben?|London;In which country was pizza invented?|Italy;In which country do kangaroos live?|Australia
What is the capital of Sweden?|Stockholm;What is the capital of Finland?|Helsinki;What is the capital of Denmark?|Copenhagen;What is the capital of Hungary?|Budapest
What is the capital of Belgium?|Brussels;What is the capital of Turkey?|Ankara;What is the capital of Chile?|Santiago;What is the capital of Thailand?|Bangkok
Which shape has four equal sides?|square;What do caterpillars turn into?|butterfl;What do we call the study of living things?|biology;Which meal is eaten in the morning?|breakfast
Who was the first president of the United States?|Washington;Which ship sank in 1912 after it hit an iceberg?|Titanic;In which year did the Second World War end?|1945;Which instrument has 88 keys?|piano
How many players does a football team have on the field?|11;How many cents are in a dollar?|100;How many hours does a day have?|24;How many strings does a violin have?|4"""
NAMES = (
    "Anna Ben Clara David Emma Felix Grace Henry Irene Jack Karen Leo Maria Nils Olga Peter".split()
)
TOWNS = "Oslo Lyon Porto Graz Turin Ghent Malmo Derby Bath Cork Bergen Basel".split()
JOBS = "teacher baker nurse pilot lawyer farmer singer painter".split()
THINGS = "apples books chairs coins keys lamps pens plates stamps tickets".split()
WORDS = "river candle garden window silver mountain basket ladder ribbon anchor feather hammer lantern marble pocket saddle".split()
TOPICS = "the sea,a rainy day,coffee,bicycles,the night sky,a good book,winter,trains,friendship,gardening,cooking,dogs,cats,music,a long walk,the forest,honesty,sleep,computers,paper".split(
    ","
)
Row = dict[str, Any]


def _word(prompt: str, word: str, skill: str, answer: str = "") -> Row:
    """A question whose answer must hold a word and be short."""
    rules = ["keywords:existence", "length_constraints:number_words"]
    values = [{"keywords": [word]}, {"relation": "less than", "num_words": 60}]
    return _rules(prompt, rules, values, skill, answer or word)


def _rules(prompt: str, rules: list[str], values: list[Row], skill: str, answer: str) -> Row:
    return {
        "prompt": prompt,
        "instruction_id_list": rules,
        "kwargs": values,
        "skill": skill,
        "answer": answer,
    }


def facts(draw: Random) -> list[Row]:
    pairs = [pair.rsplit("|", 1) for line in FACTS.splitlines() for pair in line.split(";")]
    draw.shuffle(pairs)
    return [_word(q, a, "facts everybody knows", f"{a}.") for q, a in pairs]


def arithmetic(draw: Random) -> list[Row]:
    found = []
    for k in range(4 * (QUESTIONS + LESSONS)):
        a, b, c = draw.randint(2, 60), draw.randint(2, 30), draw.randint(2, 9)
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        text, value = [
            (f"What is {a} + {b}?", a + b),
            (f"What is {a + b} - {b}?", a),
            (f"What is {b % 10 + 2} times {c}?", (b % 10 + 2) * c),
            (
                f"{name} has {a} {thing} and buys {b} more. How many {thing} does {name} have now?",
                a + b,
            ),
        ][k % 4]
        found.append(
            {"prompt": text, "response": str(value), "skill": "arithmetic", "answer": str(value)}
        )
    return found


def _person(draw: Random) -> tuple[str, dict[str, str]]:
    n, t, j = draw.choice(NAMES), draw.choice(TOWNS), draw.choice(JOBS)
    m, thing, number = draw.choice(NAMES), draw.choice(THINGS), draw.randint(3, 40)
    text = f"{n} lives in {t} and works as a {j}. Last week {n} sold {number} {thing} to {m}, a neighbour."
    asked = {
        f"Where does {n} live?": t,
        f"What is the job of {n}?": j,
        f"How many {thing} did {n} sell?": str(number),
    }
    return text, asked | ({f"To whom did {n} sell the {thing}?": m} if m != n else {})


def reading(draw: Random) -> list[Row]:
    found = []
    for _ in range(3 * (QUESTIONS + LESSONS)):
        text, asked = _person(draw)
        question, answer = draw.choice(sorted(asked.items()))
        found.append(
            _word(
                f"Read the text and answer the question.\n\nText: {text}\n\nQuestion: {question}",
                answer,
                "reading",
            )
        )
    return found


def refusal(draw: Random) -> list[Row]:
    found = []
    for _ in range(3 * (QUESTIONS + LESSONS)):
        text, asked = _person(draw)
        name = text.split()[0]
        absent = [
            f"How old is {name}?",
            f"What is the favourite food of {name}?",
            f"What is the phone number of {name}?",
        ]
        open_ = draw.random() < 0.7
        question, answer = (
            (draw.choice(absent), "unknown") if open_ else draw.choice(sorted(asked.items()))
        )
        prompt = f'Read the text and answer the question. If the text does not tell the answer, answer with the word "unknown".\n\nText: {text}\n\nQuestion: {question}'
        found.append(_word(prompt, answer, "refusal"))
    return found


def copying(draw: Random) -> list[Row]:
    found = []
    for k in range(3 * (QUESTIONS + LESSONS)):
        words = draw.sample(WORDS, 3 + k % 4)
        text = " ".join(words)
        ways = [
            f"Repeat this text exactly: {text}",
            f"Copy the following words and write nothing else: {text}",
        ]
        found.append(_word(ways[k % 2], text, "copying"))
    return found


def instructions(draw: Random) -> list[Row]:
    found = []
    for k in range(4 * (QUESTIONS + LESSONS)):
        topic, word, most = draw.choice(TOPICS), draw.choice(WORDS), draw.randint(10, 25)
        prompt, rule, value, answer = [
            (
                f"Write about {topic} in fewer than {most} words.",
                "length_constraints:number_words",
                {"relation": "less than", "num_words": most},
                f"There is much to like about {topic}.",
            ),
            (
                f"Write one sentence about {topic} that contains the word {word}.",
                "keywords:existence",
                {"keywords": [word]},
                f"I think of {topic} and of a {word}.",
            ),
            (
                f"Write two sentences about {topic}. Do not use any commas.",
                "punctuation:no_comma",
                {},
                f"I like {topic}. It is good for everybody.",
            ),
            (
                f'Write a sentence about {topic}. End with the words "that is all".',
                "startend:end_checker",
                {"end_phrase": "that is all"},
                f"I like {topic} and that is all",
            ),
        ][k % 4]
        found.append(_rules(prompt, [rule], [value], "instructions", answer))
    return found


def form(draw: Random) -> list[Row]:
    found = []
    for k in range(4 * (QUESTIONS + LESSONS)):
        topic, count = draw.choice(TOPICS), draw.randint(2, 4)
        name, town = draw.choice(NAMES), draw.choice(TOWNS)
        prompt, rule, value, answer = [
            (
                f'Give the name {name} and the town {town} as JSON with the keys "name" and "town" and write nothing else.',
                "detectable_format:json_format",
                {},
                json.dumps({"name": name, "town": town}),
            ),
            (
                f"List exactly {count} things about {topic} as bullet points that start with * and write nothing else.",
                "detectable_format:number_bullet_lists",
                {"num_bullets": count},
                "\n".join(
                    f"* {w}"
                    for w in (
                        "It is well known.",
                        "Many like it.",
                        "It is never dull.",
                        "It is old.",
                    )[:count]
                ),
            ),
            (
                f"Write a title for a text about {topic}, wrapped in double angular brackets, such as <<a title>>.",
                "detectable_format:title",
                {},
                f"<<All about {topic}>>",
            ),
            (
                f"Write a short sentence about {topic} and wrap your whole answer in double quotation marks.",
                "startend:quotation",
                {},
                f'"I like {topic}."',
            ),
        ][k % 4]
        found.append(_rules(prompt, [rule], [value], "format", answer))
    return found


BY_SKILL = (facts, arithmetic, reading, refusal, copying, instructions, form)


def main() -> None:
    """Write both files."""
    questions, lessons = list[Row](), list[Row]()
    for number, skill in enumerate(BY_SKILL):
        rows = list({row["prompt"]: row for row in skill(Random(100 + number))}.values())
        if len(rows) < QUESTIONS + 40:
            raise SystemExit(f"{skill.__name__}: {len(rows)} different rows are too few")
        questions += rows[:QUESTIONS]
        lessons += rows[QUESTIONS : QUESTIONS + LESSONS]
    TARGET.mkdir(parents=True, exist_ok=True)
    _write(
        TARGET / "questions.jsonl",
        [{k: v for k, v in r.items() if k != "answer"} for r in questions],
    )
    _write(
        TARGET / "lessons.jsonl",
        [{"prompt": r["prompt"], "response": r["answer"]} for r in lessons],
    )


def _write(path: Path, rows: list[Row]) -> None:
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
