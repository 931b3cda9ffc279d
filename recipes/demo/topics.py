"""The topics that the handbook tells about and that customers ask for: how each is said, and how it is asked.

In ``say`` ``{the}`` is the thing with its article and ``{v}`` the value; in ``phrases`` and ``questions`` ``{x}`` is
whatever the customer calls the thing. About half of the questions share no content word with the passage, because
customers do not know the handbook's words.
"""

from __future__ import annotations

from dataclasses import dataclass

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
Values = tuple[str, int, int, int] | tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """One kind of fact.

    Attributes:
        title: The handbook's name of the topic.
        category: The desk's category, house conventions applied.
        values: ``(unit, low, high, step)`` for numbers, ``(kind,)`` for codes and hours, else the possible values.
        say: Sentences that state the fact.
        notes: Sentences that may follow; they hold no figure.
        phrases: Noun phrases for the fact, put into frames such as "please tell me ...".
        questions: Direct questions.
    """

    title: str
    category: str
    values: Values
    say: tuple[str, ...]
    notes: tuple[str, ...]
    phrases: tuple[str, ...]
    questions: tuple[str, ...]


TOPICS: dict[str, Topic] = {
    "return_window": Topic(
        "return window",
        "returns",
        ("days", 10, 60, 1),
        ("The return window for {the} is {v}.", "The return window of {the} is {v}."),
        (
            "It starts on the day the parcel arrives.",
            "The box and all parts must be complete.",
            "Used goods are checked first.",
            "Print the label from the order page.",
            "Marks from use may lower the refund.",
        ),
        (
            "the return window for {x}",
            "the time limit for sending {x} back",
            "the return period of {x}",
        ),
        (
            "How long can I keep {x} before I must send it back?",
            "How many days do I have to return {x}?",
            "Until when may I give {x} back if it does not fit us?",
            "How much time is left to hand {x} back after it comes?",
            "I may not keep {x}. How long do I have to decide?",
        ),
    ),
    "delivery_time": Topic(
        "delivery time",
        "delivery",
        ("days", 2, 28, 1),
        ("The delivery time for {the} is {v}.", "The delivery time of {the} is {v}."),
        (
            "It is counted from the day of the order.",
            "Large parcels come with our own van.",
            "A message is sent when it leaves the store.",
            "Islands need a little longer.",
            "The driver calls before he comes.",
        ),
        (
            "the delivery time for {x}",
            "the usual shipping time of {x}",
            "the wait between order and arrival for {x}",
        ),
        (
            "How long does it take until {x} arrives?",
            "How many days after the order will {x} be here?",
            "When can I expect {x} if I order it?",
            "How long must we wait for {x} to come?",
            "How fast do you ship {x}?",
        ),
    ),
    "warranty": Topic(
        "warranty",
        "returns",
        ("months", 12, 72, 2),
        ("The warranty for {the} is {v}.", "The warranty of {the} is {v}."),
        (
            "It covers seams, buckles and other parts.",
            "Keep the receipt as proof.",
            "Wear from normal use is not covered.",
            "It begins with the day of sale.",
            "A claim needs two clear photos.",
        ),
        (
            "the warranty for {x}",
            "the length of the warranty on {x}",
            "the guarantee period of {x}",
        ),
        (
            "How long is {x} covered if something breaks?",
            "For how many months is there a warranty on {x}?",
            "How long do you stand behind {x} when a part fails?",
            "Is {x} still covered, how long does the guarantee run?",
            "How long can I claim on {x} when it wears out early?",
        ),
    ),
    "wash_temperature": Topic(
        "washing temperature",
        "product",
        ("degrees", 20, 64, 2),
        ("The washing temperature for {the} is {v}.", "The washing temperature of {the} is {v}."),
        (
            "Use a mild soap and no softener.",
            "Close all zips before.",
            "Let it dry in the shade.",
            "Do not put it in the dryer.",
            "Wash it alone the first time.",
        ),
        (
            "the washing temperature for {x}",
            "the right heat for washing {x}",
            "the wash setting of {x}",
        ),
        (
            "How warm can I wash {x}?",
            "How hot may the machine be for {x}?",
            "{X} is dirty, which temperature is safe for it?",
            "How many degrees can {x} take in the machine?",
            "Which wash setting is fine for {x}?",
        ),
    ),
    "weight": Topic(
        "weight",
        "product",
        ("grams", 420, 2900, 20),
        ("The weight of {the} is {v}.", "The weight for {the} is {v}."),
        (
            "It was taken on our own scale.",
            "The small bag is extra.",
            "A lighter model is planned.",
            "Wet fabric is heavier.",
            "Each piece is checked before sale.",
        ),
        ("the weight of {x}", "the exact weight of {x}", "the weight to carry for {x}"),
        (
            "How heavy is {x}?",
            "How much does {x} weigh?",
            "Is {x} light, how many grams is it?",
            "What would {x} add to my load in grams?",
            "How many grams must I carry with {x}?",
        ),
    ),
    "load_limit": Topic(
        "load limit",
        "product",
        ("kg", 14, 160, 2),
        ("The load limit of {the} is {v}.", "The load limit for {the} is {v}."),
        (
            "More than that can bend the frame.",
            "Spread the load evenly.",
            "Check all straps before use.",
            "The test was done in our workshop.",
            "It holds for dry weather and for rain.",
        ),
        ("the load limit of {x}", "the highest load for {x}", "the maximum weight that {x} holds"),
        (
            "How much can {x} carry?",
            "How many kg may I put on {x}?",
            "Is {x} strong enough, how much does it hold?",
            "How heavy may the person or the gear be for {x}?",
            "What load can {x} take before it breaks?",
        ),
    ),
    "repair_price": Topic(
        "repair price",
        "product",
        ("euros", 12, 98, 2),
        ("The repair price for {the} is {v}.", "The repair price of {the} is {v}."),
        (
            "It is the same in every shop.",
            "Parts are included.",
            "Bring it clean and dry.",
            "We call you before we start.",
            "Very old models may not be repaired.",
        ),
        ("the repair price for {x}", "the cost of fixing {x}", "the workshop price for {x}"),
        (
            "How much is it to fix {x}?",
            "How much do you charge for mending {x}?",
            "What would a repair of {x} cost me?",
            "{X} has a tear, how much is it to mend it?",
            "What do I pay if your workshop fixes {x}?",
        ),
    ),
    "repair_time": Topic(
        "repair time",
        "product",
        ("days", 3, 40, 1),
        ("The repair time for {the} is {v}.", "The repair time of {the} is {v}."),
        (
            "We send a note when it is ready.",
            "Bring it clean and dry.",
            "In spring the workshop is busy.",
            "A spare is not lent out.",
            "It is counted from the day we get it.",
        ),
        (
            "the repair time for {x}",
            "the time your workshop needs for {x}",
            "the duration of a repair of {x}",
        ),
        (
            "How long does it take to fix {x}?",
            "When would I get {x} back from the workshop?",
            "How many days do you need to mend {x}?",
            "How long would we be without {x} if you fix it?",
            "How long is {x} away for mending?",
        ),
    ),
    "battery_life": Topic(
        "battery life",
        "product",
        ("hours", 6, 90, 1),
        ("The battery life of {the} is {v}.", "The battery life for {the} is {v}."),
        (
            "Cold nights make it shorter.",
            "The lowest setting lasts longest.",
            "The battery can be changed.",
            "A red light tells when it is low.",
            "Store it half full in winter.",
        ),
        ("the battery life of {x}", "the running time of {x}", "the battery time for {x}"),
        (
            "How long does {x} run before it is empty?",
            "How many hours does the battery of {x} last?",
            "How long can I use {x} without a plug?",
            "Will {x} last all night, how many hours is it good for?",
            "After how many hours does {x} go off?",
        ),
    ),
    "charging_time": Topic(
        "charging time",
        "product",
        ("minutes", 40, 280, 5),
        ("The charging time of {the} is {v}.", "The charging time for {the} is {v}."),
        (
            "Use the cable from the box.",
            "A green light tells when it is full.",
            "It may get a little warm.",
            "A power bank works too.",
            "Do not charge it in the rain.",
        ),
        ("the charging time of {x}", "the time for charging {x}", "the time on the cable for {x}"),
        (
            "How long must {x} be plugged in until it is full?",
            "How many minutes does it take to charge {x}?",
            "How fast does {x} fill up at the plug?",
            "How long does {x} hang on the cable?",
            "When is {x} full again after it ran empty?",
        ),
    ),
    "burn_time": Topic(
        "burn time",
        "product",
        ("minutes", 35, 190, 5),
        ("The burn time of {the} is {v}.", "The burn time for {the} is {v}."),
        (
            "It holds for one can of gas.",
            "Wind makes it shorter.",
            "Use it only outside.",
            "Let it cool before you pack it.",
            "Any common gas can fits.",
        ),
        (
            "the burn time of {x}",
            "the burning time per can for {x}",
            "the cooking time per can for {x}",
        ),
        (
            "How long does {x} burn with one can?",
            "How many minutes can I cook on {x} with one can?",
            "How long does a can of gas last in {x}?",
            "For how long does {x} stay lit?",
            "When does {x} need a new can?",
        ),
    ),
    "spare_part": Topic(
        "spare part number",
        "product",
        ("code",),
        ("The spare part number for {the} is {v}.", "The spare part number of {the} is {v}."),
        (
            "Every shop can order it.",
            "It fits all years of the model.",
            "It comes with a short guide.",
            "No tool is needed.",
            "Give the number with your order.",
        ),
        (
            "the spare part number for {x}",
            "the number of the spare part for {x}",
            "the order code of the part for {x}",
        ),
        (
            "Which part number do I order for {x}?",
            "Under which code do I find the spare part of {x}?",
            "What is the part called that I need for {x}, the number please?",
            "A small part of {x} is lost, what number has the new one?",
            "Which number belongs to the spare set for {x}?",
        ),
    ),
    "care_product": Topic(
        "care product",
        "product",
        (
            "wool wax",
            "cold water",
            "soft brush",
            "pine soap",
            "silicone spray",
            "bees wax",
            "talc powder",
            "linseed oil",
            "clear vinegar",
        ),
        ("The care product for {the} is {v}.", "The right care product for {the} is {v}."),
        (
            "Use it after every long trip.",
            "A thin layer is enough.",
            "Let it dry over night.",
            "Other means can harm the surface.",
            "Clean off the mud first.",
        ),
        ("the care product for {x}", "the right care for {x}", "the best thing to look after {x}"),
        (
            "What do I use to look after {x}?",
            "With what should I clean {x}?",
            "{X} looks tired, what should I treat it with?",
            "What can I put on {x} so that it stays good?",
            "What do you use yourselves to care for {x}?",
        ),
    ),
    "restock_day": Topic(
        "restock day",
        "delivery",
        WEEKDAYS,
        ("The restock day for {the} is {v}.", "The restock day of {the} is {v}."),
        (
            "New goods are on the shelf by noon.",
            "All shops get it on the same day.",
            "The web shop follows in the evening.",
            "Ask the desk to keep one for you.",
            "It sells out fast in summer.",
        ),
        (
            "the restock day for {x}",
            "the weekday when new stock of {x} comes",
            "the day of fresh stock for {x}",
        ),
        (
            "{X} is sold out, on which day do you get it in again?",
            "On which weekday does new stock of {x} come?",
            "Which day of the week do your shelves get {x} again?",
            "When do you fill up {x}, which weekday?",
            "What day should I come by for {x} when it is sold out?",
        ),
    ),
    "rental_price": Topic(
        "rental price",
        "billing",
        ("euros", 11, 88, 1),
        ("The rental price for {the} is {v}.", "The rental price of {the} is {v}."),
        (
            "It holds for a whole weekend.",
            "It is paid when you pick it up.",
            "Bring it back clean.",
            "Late return costs extra.",
            "Please bring a photo card.",
        ),
        ("the rental price for {x}", "the price for hiring {x}", "the weekend price to borrow {x}"),
        (
            "How much is it to rent {x}?",
            "How much do you take for hiring out {x}?",
            "What do I pay if I only borrow {x}?",
            "What does a weekend with {x} cost me when I do not buy it?",
            "How expensive is it to hire {x}?",
        ),
    ),
    "rental_deposit": Topic(
        "rental deposit",
        "billing",
        ("euros", 20, 240, 5),
        ("The rental deposit for {the} is {v}.", "The rental deposit of {the} is {v}."),
        (
            "You get it back when all is fine.",
            "It can be paid by card.",
            "It is held, not booked.",
            "Cash is not taken.",
            "It is given back the same evening.",
        ),
        (
            "the rental deposit for {x}",
            "the deposit when I hire {x}",
            "the sum you keep while I borrow {x}",
        ),
        (
            "How much money do you hold when I rent {x}?",
            "How much must I leave with you for {x} as security?",
            "What do I have to put down to borrow {x}?",
            "How big is the deposit if we hire {x}?",
            "What sum is blocked on my card for hiring {x}?",
        ),
    ),
    "closing_day": Topic(
        "closing day",
        "account",
        WEEKDAYS,
        ("The closing day of {the} is {v}.", "The closing day for {the} is {v}."),
        (
            "On all other days it is open.",
            "Parcels can be left at the side door.",
            "The phone is answered all week.",
            "On holidays a note hangs at the door.",
            "There are seats and a small library.",
        ),
        ("the closing day of {x}", "the weekday when {x} is shut", "the rest day of {x}"),
        (
            "On which day is {x} closed?",
            "Which day of the week should I not come to {x}?",
            "When is nobody at {x}, which weekday?",
            "Which weekday has {x} its doors shut?",
            "I want to visit {x}, on which day is it not open?",
        ),
    ),
    "opening_hour": Topic(
        "opening hour",
        "account",
        ("morning",),
        ("The opening hour of {the} is {v}.", "The opening hour for {the} is {v}."),
        (
            "It is the same all year.",
            "Please ring if the door is locked.",
            "Coffee is ready for early guests.",
            "The yard has room for vans.",
            "The workshop in the back starts later.",
        ),
        ("the opening hour of {x}", "the time when {x} opens", "the start of the day at {x}"),
        (
            "When does {x} open in the morning?",
            "From what time can I come to {x}?",
            "At what time do you unlock {x}?",
            "How early is somebody at {x}?",
            "From which hour are you there at {x}?",
        ),
    ),
    "discount": Topic(
        "member discount",
        "account",
        ("percent", 3, 30, 1),
        ("The member discount of {the} is {v}.", "The member discount for {the} is {v}."),
        (
            "It is taken off at the till.",
            "Sale goods are left out.",
            "Show your card or the app.",
            "It does not hold for rentals.",
            "It starts on the day you join.",
        ),
        ("the member discount of {x}", "the price cut with {x}", "the discount that {x} gives"),
        (
            "How much do I save with {x}?",
            "How many percent off do I get with {x}?",
            "How much cheaper is it for me with {x}?",
            "What do I get off the price with {x}?",
            "What cut on prices comes with {x}?",
        ),
    ),
    "points_expiry": Topic(
        "points expiry",
        "account",
        ("months", 5, 48, 1),
        ("The points expiry of {the} is {v}.", "The points expiry for {the} is {v}."),
        (
            "The clock starts with each purchase.",
            "Lost points do not come back.",
            "Points can be given to a friend.",
            "The app shows your points.",
            "A reminder is sent before.",
        ),
        (
            "the points expiry of {x}",
            "the life of points with {x}",
            "the time until points end with {x}",
        ),
        (
            "How long are my points good with {x}?",
            "After how many months do points run out with {x}?",
            "When do I lose my points with {x}?",
            "How long can I save up points with {x}?",
            "How long do points stay valid with {x}?",
        ),
    ),
    "service_price": Topic(
        "delivery price",
        "delivery",
        ("euros", 4, 59, 1),
        ("The delivery price of {the} is {v}.", "The delivery price for {the} is {v}."),
        (
            "It holds for one order.",
            "The bill shows it on a line of its own.",
            "Two parcels pay only once.",
            "Heavy goods are included.",
            "It is the same for all towns.",
        ),
        ("the delivery price of {x}", "the shipping cost with {x}", "the cost of sending with {x}"),
        (
            "How much do I pay for {x}?",
            "How much is it to have a parcel sent with {x}?",
            "What does {x} add to my order?",
            "How expensive is {x}?",
            "What do you charge for {x}?",
        ),
    ),
    "order_cutoff": Topic(
        "order cut-off",
        "delivery",
        ("afternoon",),
        ("The order cut-off of {the} is {v}.", "The order cut-off for {the} is {v}."),
        (
            "Later orders leave on the next day.",
            "It holds from Monday to Saturday.",
            "The clock of our store counts.",
            "A call does not change it.",
            "The web page counts down to it.",
        ),
        (
            "the order cut-off of {x}",
            "the latest time to order with {x}",
            "the last hour for orders with {x}",
        ),
        (
            "Until what time must I order with {x}?",
            "How late can I order so that {x} still takes it the same day?",
            "By which hour must my order be in for {x}?",
            "At what time does {x} stop taking orders for the day?",
            "What is the latest I can click for {x}?",
        ),
    ),
    "plan_fee": Topic(
        "monthly fee",
        "billing",
        ("euros", 2, 45, 1),
        ("The monthly fee of {the} is {v}.", "The monthly fee for {the} is {v}."),
        (
            "It is booked with the first bill.",
            "You can stop at any time.",
            "There is no other cost.",
            "Clubs pay the same.",
            "It is shown on every bill.",
        ),
        ("the monthly fee of {x}", "the cost per month of {x}", "the fee for {x}"),
        (
            "How much is {x} each month?",
            "How much do we pay per month for {x}?",
            "What does {x} cost us a month?",
            "What will you take from my card for {x} every month?",
            "How expensive is {x} by the month?",
        ),
    ),
    "payment_term": Topic(
        "payment term",
        "billing",
        ("days", 7, 75, 1),
        ("The payment term of {the} is {v}.", "The payment term for {the} is {v}."),
        (
            "It is counted from the date of the bill.",
            "After that a reminder is sent.",
            "Part payments are fine.",
            "Ask us early if you need more.",
            "Cards are charged at the end of it.",
        ),
        ("the payment term of {x}", "the time to pay with {x}", "the due time of bills with {x}"),
        (
            "How long can we wait before we pay with {x}?",
            "How many days do I have to pay a bill with {x}?",
            "When is a bill due with {x}?",
            "How long do we have for the money with {x}?",
            "After how many days must the bill be settled with {x}?",
        ),
    ),
    "refund_time": Topic(
        "refund time",
        "returns",
        ("days", 2, 30, 1),
        ("The refund time with {the} is {v}.", "The refund time for {the} is {v}."),
        (
            "It starts when the goods are checked.",
            "The money goes back the way it came.",
            "You get a short note.",
            "Shipping is paid back too.",
            "Part refunds need the same time.",
        ),
        (
            "the refund time with {x}",
            "the wait for a refund with {x}",
            "the time until money comes back with {x}",
        ),
        (
            "How long does a refund take with {x}?",
            "When do I get my money back if I pay with {x}?",
            "How many days until you pay back with {x}?",
            "How long must I wait for my money with {x} after I send goods back?",
            "How fast do you give money back with {x}?",
        ),
    ),
}
