"""From embeddings to answers: the images that go with a sound, by two models that have only their texts in common.

`python examples/bridge_your_own.py` takes less than a minute and downloads nothing: embeddings of made-up models stand
where yours go. To use your own, replace the first part and leave the second as it is.
"""

import numpy as np

from ucl import Bank, Bridge, Cosine, check

# %% 1. Embeddings. Put yours here: images and texts from one model, sounds and the same texts from the other.

THINGS = ("dog", "cat", "tram", "bell", "river", "violin")
PLACES = ("in the rain", "in a hall", "at night", "by the sea")
CAPTIONS = [f"a {thing} {place}" for thing in THINGS for place in PLACES]
rng = np.random.default_rng(0)


def made_up_model(width):
    """A function from kinds of captions to embeddings around the caption's place in a space of the model's own."""
    things, places = (rng.standard_normal((len(names), width)) for names in (THINGS, PLACES))
    centres = (things[:, None] + 0.7 * places).reshape(-1, width)
    return lambda kinds, blur: np.float32(centres[kinds] + blur * rng.standard_normal((len(kinds), width)))


shown, heard, written = (rng.integers(len(CAPTIONS), size=n) for n in (200, 200, 600))
in_clip, in_clap = made_up_model(24), made_up_model(16)
images, texts_in_clip = in_clip(shown, blur=0.5), in_clip(written, blur=0.3)
sounds, texts_in_clap = in_clap(heard, blur=0.5), in_clap(written, blur=0.3)  # row i: the same text as texts_in_clip[i]
of_clip, of_clap = Cosine(scale=21.0), Cosine(scale=20.0)  # the scale each model learned; CLIP's own is 100

# %% 2. The bank: texts as both models embed them. A is what you ask with, C what you look for, B what both know.

texts = [CAPTIONS[kind] for kind in written]
bank = Bank(for_a=texts_in_clap, for_c=texts_in_clip, ids=texts)
bridge = Bridge(ab=of_clap, bc=of_clip, bank=bank)

# %% 3. Is the bank what it should be? Rows out of order or a wrong scale give confident nonsense.

found = check(bank, bridge.ab, bridge.bc, queries_a=sounds, queries_c=images)
print(found, end="\n\n")
assert found.level != "error", "mend what is found before you go on"

# %% 4. Can these two models be joined, by which method, and how good will it be? No pair of sound and image is needed.

diagnosis = bridge.diagnose(sounds, images, among=32)
print(diagnosis, end="\n\n")

# %% 5. The five best images for each of three sounds, and what the scores are worth.

best = bridge.retrieve(sounds[:3], images, k=5, progress=False)
for i, row in enumerate(best.indices):
    print(f"{CAPTIONS[heard[i]]}:")
    for j, score, error in zip(row, best.scores[i], best.standard_errors[i], strict=True):
        print(f"    image {j:3}, {CAPTIONS[shown[j]]:22} log density ratio {score:6.2f} ± {error:.2f}")

# %% 6. Why does the first sound go with its best image? The texts that carry the match, and their shares.

print("\nBecause of", bridge.explain(sounds[0], images[best.indices[0, 0]], top=3))
