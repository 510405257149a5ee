"""Write prompts/published.json: hashes of published prompt lists, without their sentences.

    python scripts/hash_prompts.py LISTS.csv > prompts/published.json

LISTS.csv has a column `class` and one column per list of `LISTS` below; several prompts of one
class are separated by ` | `.
"""

import csv
import json
import sys
from pathlib import Path

from pyoco_eval.protocol.prompts import PromptList, prompt_hash

LISTS = {
    "pyoco_via_consisti2v": (
        "pyoco-consisti2v",
        "PYoCo's prompts as printed in ConsistI2V, arXiv:2402.04324, Appendix B.1",
    ),
    "pyoco_via_cmd": (
        "pyoco-cmd",
        "PYoCo's prompts as printed in CMD, arXiv:2403.14148, Figure 8",
    ),
    "snapvideo_variant": (
        "snap-video",
        "Snap Video, arXiv:2402.14797, Appendix C.6",
    ),
}


def main() -> None:
    with Path(sys.argv[1]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lists = []
    for column, (name, source) in LISTS.items():
        prompts = {
            row["class"]: tuple(prompt.strip() for prompt in row[column].split("|")) for row in rows
        }
        lists.append(
            {
                "name": name,
                "source": source,
                "sha256": PromptList(name, prompts).sha256,
                "prompts": {label: [prompt_hash(p) for p in ps] for label, ps in prompts.items()},
            }
        )
    content = {"dataset": "ucf101", "lists": lists}
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
