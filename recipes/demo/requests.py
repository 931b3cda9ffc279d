"""Messages that ask for an action or complain: no handbook fact answers them, so the desk replies that it will check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """One kind of request: what happened, and what the customer wants.

    Attributes:
        category: The desk's category, house conventions applied.
        happened: Sentences that say what happened; ``{x}`` is the thing.
        wanted: Sentences that say what the customer wants.
        hurts: Somebody can be hurt: always of high urgency.
        things: ``product`` or the noun of the services that it can be about.
    """

    category: str
    happened: tuple[str, ...]
    wanted: tuple[str, ...]
    hurts: bool = False
    things: str = "product"


REQUESTS: dict[str, Request] = {
    "parcel_late": Request(
        "delivery",
        (
            "The parcel with {x} has not come.",
            "{X} was sent last week and never arrived.",
            "The tracking of {x} has not moved for days.",
            "The driver did not ring and took {x} back with him.",
            "My parcel seems lost, {x} was in it.",
            "I still wait for the courier with {x}.",
        ),
        (
            "Please find out where it is.",
            "Can you ask the courier?",
            "Where is it?",
            "Please send it again.",
            "Could you trace the parcel?",
            "Please look into the shipment.",
        ),
    ),
    "address_change": Request(
        "delivery",
        (
            "I gave the wrong street for the parcel with {x}.",
            "We have moved and {x} goes to the old house.",
            "The house number on the parcel with {x} is wrong.",
            "{X} should be brought to my office.",
            "Nobody is at home when the courier brings {x}.",
        ),
        (
            "Please change where it is sent.",
            "Can the driver go to the new house?",
            "Please bring it to our neighbour.",
            "Can you stop the parcel and send it to the other street?",
            "Please tell the courier.",
        ),
    ),
    "damaged_on_arrival": Request(
        "returns",
        (
            "{X} came out of the parcel with a hole.",
            "The courier brought {x} and it was broken.",
            "The box was crushed on arrival and {x} is bent.",
            "{X} was delivered yesterday and is scratched all over.",
            "We opened the parcel and {x} was in pieces.",
            "{X} arrived wet and torn.",
        ),
        (
            "Please make it good.",
            "What will you do about it?",
            "I want a new one.",
            "I do not accept that.",
            "Please take care of it.",
            "Can you sort this out?",
        ),
    ),
    "wrong_goods": Request(
        "returns",
        (
            "You delivered something else, not {x}.",
            "The parcel holds the wrong colour of {x}.",
            "I got {x} in the wrong size.",
            "There were two of {x} in the parcel, I bought one.",
            "I ordered {x} and the courier brought a pan.",
        ),
        (
            "Please swap it.",
            "I want the right one.",
            "What should we do with it?",
            "Please put it right.",
            "Can you exchange it?",
        ),
    ),
    "send_back": Request(
        "returns",
        (
            "I do not like {x} and want to send it back.",
            "{X} does not fit.",
            "We have no use for {x} any more.",
            "I bought {x} twice by mistake.",
            "I sent {x} back and heard nothing.",
        ),
        (
            "Please send me a label.",
            "Please confirm that you have it.",
            "I want my money back.",
            "Can you take it back?",
            "Please arrange the return.",
        ),
    ),
    "charged_twice": Request(
        "billing",
        (
            "I paid {x} twice.",
            "My card was charged two times for {x}.",
            "The bill for {x} is too high.",
            "You took money for {x} though I cancelled it.",
            "The sum for {x} on my bill is wrong.",
        ),
        (
            "Please correct the bill.",
            "Please pay back what is too much.",
            "Can you check the payment?",
            "I want a new bill.",
            "Please look at my account statement.",
        ),
    ),
    "invoice_missing": Request(
        "billing",
        (
            "I have no invoice for {x}.",
            "The bill for {x} shows the wrong company name.",
            "Our tax office wants another invoice for {x}.",
            "I lost the receipt for {x}.",
            "The invoice for {x} cannot be opened.",
        ),
        (
            "Please send it once more.",
            "Can you mail me a copy?",
            "Please write a new one.",
            "We need it as a file.",
            "Can you change it?",
        ),
    ),
    "rental_problem": Request(
        "billing",
        (
            "I rented {x} and want to keep it for a second week.",
            "We hired {x} and the deposit has not come back.",
            "We want to rent {x} but the calendar is broken.",
            "I have to cancel the rental of {x}.",
            "I picked up {x} for hire and it was dirty.",
        ),
        (
            "Please arrange that.",
            "Can you see to it?",
            "Please change the booking.",
            "What can you do?",
            "Please write back.",
        ),
    ),
    "repair_wanted": Request(
        "product",
        (
            "After two years of use {x} has a hole.",
            "A seam of {x} came open on our last trip.",
            "The zip of {x} is stuck.",
            "{X} has worn through at the side.",
            "My dog has chewed {x}.",
        ),
        (
            "Can your workshop mend it?",
            "Please repair it.",
            "I would like to bring it in.",
            "Can it be saved?",
            "Please look at it.",
        ),
    ),
    "advice_wanted": Request(
        "product",
        (
            "I cannot get {x} to work.",
            "We do not understand how to put {x} together.",
            "{X} makes a strange noise.",
            "I cannot choose between {x} and another model.",
            "{X} feels different from the old model.",
        ),
        (
            "Can somebody explain it to me?",
            "Please give me some advice.",
            "Please call me.",
            "Can you show us?",
            "What do you suggest?",
        ),
    ),
    "could_hurt": Request(
        "product",
        (
            "{X} smells of gas.",
            "A sharp edge of {x} cut my hand.",
            "{X} got so hot that it burned my glove.",
            "Smoke came out of {x}.",
            "{X} broke under my son and he fell.",
        ),
        (
            "Please look into it.",
            "What should I do?",
            "Please take this up.",
            "You should know about it.",
            "Can you check this model?",
        ),
        hurts=True,
    ),
    "login": Request(
        "account",
        (
            "I cannot log in any more.",
            "My password is not accepted.",
            "The page says my profile is locked.",
            "I do not get the mail for a new password.",
            "Somebody else may have used my login.",
            "My phone was lost and the login code goes there.",
        ),
        (
            "Please open my account again.",
            "Please reset it.",
            "Can you unlock it?",
            "Please help me to get in.",
            "Can you send me a new link?",
        ),
        things="membership",
    ),
    "profile_change": Request(
        "account",
        (
            "I have a new name since my wedding.",
            "My points for {x} are missing.",
            "I want to close {x}.",
            "My profile shows another birthday.",
            "I get your newsletter three times.",
            "I would like to move to {x}.",
        ),
        (
            "Please change that in my profile.",
            "Please put it right.",
            "Can you do that for me?",
            "Please confirm it.",
            "Can you update my account?",
        ),
        things="membership",
    ),
    "shop_visit": Request(
        "account",
        (
            "I want to book a fitting at {x}.",
            "I left my gloves at {x}.",
            "The staff at {x} was not friendly.",
            "We would like to visit {x} with a class.",
            "Somebody at {x} promised to call me back.",
        ),
        (
            "Please arrange it with the people there.",
            "Can you ask them?",
            "Please let me know.",
            "Who can I talk to?",
            "Can you make a note?",
        ),
        things="shop",
    ),
}
