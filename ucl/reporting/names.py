"""What methods, protocols and worlds are called and coloured in every figure and table: once each.

Okabe and Ito's palette: told apart by readers with any colour vision.
"""

__all__ = [
    "BRIDGING_COLOURS",
    "BRIDGING_LABELS",
    "METHOD_COLOURS",
    "METHOD_LABELS",
    "POLICY_COLOURS",
    "POLICY_LABELS",
    "STAMPS_COLOURS",
    "STAMPS_LABELS",
    "STAMPS_PROTOCOLS",
]

METHOD_COLOURS = {
    "direct": "#0072B2",
    "monte_carlo_unscaled": "#E69F00",
    "monte_carlo": "#D55E00",
    "monte_carlo_normalized": "#CC79A7",
    "ground_truth": "#009E73",
    "barycentre": "#56B4E9",
    "c_mcr": "#0072B2",
    "distilled_linear": "#999933",
    "distilled_hidden": "#117733",
    "distilled": "#8B5A2B",
    "bayes": "#333333",
    "bayes_assuming_independence": "#56B4E9",
    "chance": "#999999",
}
METHOD_LABELS = {
    "direct": "Direct",
    "monte_carlo_unscaled": "LogSumExp, no scale",
    "monte_carlo": "LogSumExp",
    "monte_carlo_normalized": "LogSumExp, normalised",
    "ground_truth": "A–C model",
    "bayes": "Bayes (exact)",
    "bayes_assuming_independence": "Bayes under Assumption 1",
    "chance": "Chance",
    "top_k": "Top-10 LogSumExp",
    "one_hop": "One hop",
    "lemma_2": "Lemma 2, closed form",
    "lemma_3": "Lemma 3, closed form",
    "barycentre": "Softmax barycentre",
    "procrustes": "Procrustes",
    "cca": "CCA",
    "ridge": "Ridge regression",
    "relative": "Relative repr.",
    "asif": "ASIF",
    "c_mcr": "C-MCR (trained)",
    "distilled_linear": "Distilled, linear",
    "distilled_hidden": "Distilled, hidden layers",
    "distilled": "Distilled",
    "ceiling": "Same networks on (A, C) pairs",
}
BRIDGING_COLOURS = {
    "direct_disparate": METHOD_COLOURS["chance"],
    "monte_carlo_disparate": METHOD_COLOURS["monte_carlo"],
    "distilled_disparate": METHOD_COLOURS["distilled"],
    "direct_joint": METHOD_COLOURS["direct"],
    "monte_carlo_joint": METHOD_COLOURS["monte_carlo_normalized"],
    "ground_truth": METHOD_COLOURS["ground_truth"],
    "direct_joint_paired": METHOD_COLOURS["monte_carlo_unscaled"],
}
BRIDGING_LABELS = {
    "direct_disparate": "Two models, direct",
    "monte_carlo_disparate": "Two models, LogSumExp",
    "distilled_disparate": "Two models, distilled",
    "direct_joint": "Joint model, direct",
    "monte_carlo_joint": "Joint model, LogSumExp",
    "ground_truth": "Trained on the pair",
    "direct_joint_paired": "ImageBind role, trained on the pair",
}
# The suite `stamps`: what can be asked of two models that were never trained together, then what bounds it.
STAMPS_COLOURS = {
    "direct": METHOD_COLOURS["chance"],
    "shuffled": "#D0D0D0",
    "one_hop": METHOD_COLOURS["bayes_assuming_independence"],
    "monte_carlo": METHOD_COLOURS["monte_carlo"],
    "monte_carlo_normalized": METHOD_COLOURS["monte_carlo_normalized"],
    "distilled": METHOD_COLOURS["distilled"],
    "supervised": METHOD_COLOURS["ground_truth"],
    "image_to_text": METHOD_COLOURS["direct"],
    "audio_to_text": METHOD_COLOURS["monte_carlo_unscaled"],
}
STAMPS_LABELS = {
    "direct": "Direct",
    "shuffled": "LogSumExp, shuffled bank",
    "one_hop": "One hop",
    "monte_carlo": "LogSumExp",
    "monte_carlo_normalized": "LogSumExp, normalised",
    "distilled": "Distilled",
    "supervised": "Trained on the pairs there are",
    "image_to_text": "Image to text",
    "audio_to_text": "Speech or sound to text",
}
STAMPS_PROTOCOLS = {
    "new_words": "new words",
    "new_words_unlisted": "new words,\nnot in the bank",
    "heard_words": "heard words",
    "sounds": "sounds, in folds",
    "sounds_never_trained": "sounds, none\ntrained on",
}
# Policies of the maze. The main ones draw actions in proportion to the exponentiated score, as the paper does; those in
# `_argmax` take the best.
POLICY_COLOURS = {
    "direct": METHOD_COLOURS["direct"],
    "monte_carlo": METHOD_COLOURS["monte_carlo"],
    "sampled_goal": METHOD_COLOURS["monte_carlo_normalized"],
    "best_state": METHOD_COLOURS["monte_carlo_unscaled"],
    "distilled": METHOD_COLOURS["distilled"],
    "exact_occupancy": METHOD_COLOURS["ground_truth"],
    "random": METHOD_COLOURS["chance"],
    "shortest_path": METHOD_COLOURS["bayes"],
}
POLICY_LABELS = {
    "direct": "Direct",
    "monte_carlo": "LogSumExp",
    "sampled_goal": "One sampled goal",
    "best_state": "Best state",
    "distilled": "Distilled",
    "exact_occupancy": "LogSumExp, exact critics",
    "random": "Random",
    "shortest_path": "Shortest path",
    "direct_argmax": "Direct, arg max",
    "monte_carlo_argmax": "LogSumExp, arg max",
    "exact_occupancy_argmax": "LogSumExp, exact critics, arg max",
}
