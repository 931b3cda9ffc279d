"""Does the walk reach the right answer by itself where the right answer is known?"""
