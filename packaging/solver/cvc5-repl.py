#!/usr/bin/env python3
"""cvc5 as an executable, for those who have it as the Python package `cvc5` (1.4.2).

Reads SMT-LIB 2 from standard input, command by command, and answers on standard output, as `cvc5 --lang smt` does:

    portcullis policy prove --solver packaging/solver/cvc5-repl.py

`(reset)` begins with a fresh solver, so that nothing of one question is left in the next.
"""

import sys

import cvc5

MILLISECONDS = 60_000
"""Longest time for one answer."""


def commands(stream):
    """Balanced expressions of the stream; knows strings, quoted symbols and comments."""
    text, depth, quote = [], 0, ""
    while line := stream.readline():
        for at, letter in enumerate(line):
            if quote:
                quote = "" if letter == quote else quote
            elif letter == ";":
                text.append("\n")
                break
            elif letter in '"|':
                quote = letter
            elif letter in "()":
                depth += 1 if letter == "(" else -1
            text.append(letter)
            if depth == 0 and not quote and letter == ")":
                yield "".join(text).strip()
                text = []


def fresh():
    """A solver that knows nothing yet."""
    manager = cvc5.TermManager()
    solver = cvc5.Solver(manager)
    solver.setOption("tlimit-per", str(MILLISECONDS))
    return solver, cvc5.SymbolManager(manager)


def main() -> None:
    solver, symbols = fresh()
    for command in commands(sys.stdin):
        if command == "(reset)":
            solver, symbols = fresh()
            continue
        if command == "(exit)":
            return
        parser = cvc5.InputParser(solver, symbols)
        parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, command, "standard input")
        try:
            while not (parsed := parser.nextCommand()).isNull():
                sys.stdout.write(parsed.invoke(solver, symbols))
        except Exception as error:  # noqa: BLE001, of whatever kind: it is an answer, and the gate's to judge
            message = str(error).replace('"', "'").replace("\n", " ")
            sys.stdout.write(f'(error "{message}")\n')
        sys.stdout.flush()


if __name__ == "__main__":
    main()
