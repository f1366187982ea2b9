"""Appended to the misbehaving model: behaviours that each break one promise of a model.

Names such as ``JOB``, ``DATA``, ``good`` come from ``tests/models/naughty/__main__.py``.
"""
# ruff: noqa: F821, T201
# mypy: ignore-errors


def modality(name):
    with h5py.File(DATA, "r") as file:
        group = file[f"mod/{name}/X"]
        shape = tuple(group.attrs["shape"])
        return shape, group["indptr"][...], group["indices"][...]


def refuse(condition, words):
    if condition:
        raise ValueError(words)


def names_in(place):
    with h5py.File(DATA, "r") as file:
        return list(file[place])


def needs_labels():
    refuse("cell_type" not in names_in("obs"), "no cell types")
    good()


def unseeded():
    good()
    write_embedding(np.random.default_rng().normal(size=(len(cell_names()), 3)), cell_names())


def only_seed_0():
    refuse(JOB["seed"] != 0, "I like 0")
    good()


def signed_seed():
    refuse(JOB["seed"] > 2**31 - 1, "no such integer")
    good()


def next_seed():
    refuse(JOB["seed"] + 1 > 2**32 - 1, "no such unsigned integer")
    good()


def record(**settings):
    good()
    used = {"hyperparameters": JOB["hyperparameters"], "seed": JOB["seed"], **settings}
    content = {"model_metrics": {}, "history": {}, "settings": used}
    (OUTPUT / "metrics.json").write_text(json.dumps(content))


def needs_all():
    refuse(len(JOB["modalities"]) < 3, "three or nothing")
    good()


def no_reason():
    if "atac" not in JOB["modalities"] or "rna" not in JOB["modalities"]:
        sys.exit(99)
    good()


def greedy():
    """Uses every modality of the file, whatever the job says."""
    good()
    random = np.random.default_rng(len(names_in("mod")))
    write_embedding(random.normal(size=(len(cell_names()), 3)), cell_names())


def needs_batch():
    refuse(JOB["batch_key"] is None, "no batch")
    good()


def needs_batches_of_two():
    with h5py.File(DATA, "r") as file:
        codes = file["obs/batch/codes"][...] if "batch" in file["obs"] else [0, 0]
    refuse(np.bincount(codes).min() < 2, "variance of one cell")
    good()


def needs_counts_in_every_cell():
    for name in JOB["modalities"]:
        _, indptr, _ = modality(name)
        # A lone empty cell is in the usual data by chance; three in a row are not.
        refuse(np.min(indptr[3:] - indptr[:-3]) == 0, "division by zero")
    good()


def needs_counts_in_every_feature():
    for name in JOB["modalities"]:
        shape, _, indices = modality(name)
        refuse(len(np.unique(indices)) < 0.8 * shape[1], "division by zero")
    good()


def needs_four_proteins():
    refuse(modality("adt")[0][1] < 4, "too few proteins")
    good()


def needs_ten_cells():
    refuse(len(cell_names()) < 10, "too few cells")
    good()


def ascii_only():
    good()
    names = [name.decode().encode("ascii", "replace") for name in cell_names()]
    write_embedding(np.random.default_rng(0).normal(size=(len(names), 3)), names)


def needs_every_modality_in_every_cell():
    for name in JOB["modalities"]:
        if modality(name)[0][0] < len(cell_names()):
            print("cells that lack something", flush=True)
            sys.exit(99)
    good()


def drops_incomplete_cells():
    """Leaves out the cells that some modality does not have."""
    good()
    with h5py.File(DATA, "r") as file:
        names = file["obs"].attrs["_index"]
        kept = set.intersection(
            *(set(file[f"mod/{name}/obs/{names}"][...]) for name in JOB["modalities"])
        )
    complete = [name for name in cell_names() if name in kept]
    write_embedding(latent((len(complete), 3)), complete)


def sorts_cells():
    good()
    order = np.argsort(cell_names())
    write_embedding(np.random.default_rng(0).normal(size=(len(order), 3))[order], cell_names())


def needs_home():
    list(Path.home().iterdir())
    good()


def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(4)
    good()


def one_amount():
    refuse(AMOUNT != 8, "only 8")
    good()


def stops_at_99():
    print("no", flush=True)
    sys.exit(99)


def device_99():
    if JOB["device"] != "cpu":
        sys.exit(99)
    good()


def needs_network():
    refuse(len(socket.if_nameindex()) < 2, "no network but the loopback")
    good()


def needs_writable_root():
    Path("/var/tmp/mine").write_text("x")
    good()


def needs_name():
    import pwd

    pwd.getpwuid(os.getuid())
    good()


BEHAVIOURS |= {
    "needs_labels": needs_labels,
    "unseeded": unseeded,
    "only_seed_0": only_seed_0,
    "signed_seed": signed_seed,
    "next_seed": next_seed,
    "wrong_seed": lambda: record(seed=7),
    "wrong_record": lambda: record(hyperparameters={"amount": 8}),
    "right_record": lambda: record(),
    "needs_all": needs_all,
    "no_reason": no_reason,
    "greedy": greedy,
    "needs_batch": needs_batch,
    "needs_batches_of_two": needs_batches_of_two,
    "needs_counts_in_every_cell": needs_counts_in_every_cell,
    "needs_counts_in_every_feature": needs_counts_in_every_feature,
    "needs_four_proteins": needs_four_proteins,
    "needs_ten_cells": needs_ten_cells,
    "ascii_only": ascii_only,
    "sorts_cells": sorts_cells,
    "needs_every_modality_in_every_cell": needs_every_modality_in_every_cell,
    "drops_incomplete_cells": drops_incomplete_cells,
    "needs_home": needs_home,
    "deaf": deaf,
    "one_amount": one_amount,
    "stops_at_99": stops_at_99,
    "device_99": device_99,
    "needs_network": needs_network,
    "needs_writable_root": needs_writable_root,
    "needs_name": needs_name,
}
