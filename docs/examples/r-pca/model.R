# One job of multiverse in plain R: files in, files out, no SDK.
# The contract: docs/MODEL_CONTAINER_CONTRACT.md

suppressPackageStartupMessages({
  library(Matrix)
  library(rhdf5)
})

place <- function(variable, otherwise) {
  value <- Sys.getenv(variable)
  if (nzchar(value)) value else otherwise
}
INPUT <- place("MULTIVERSE_INPUT", "/input/data.h5mu")
OUTPUT <- place("MULTIVERSE_OUTPUT", "/output")

output <- function(name) file.path(OUTPUT, name)

# To run.log, and to the container's own log.
say <- function(...) {
  line <- paste0(format(Sys.time(), "%Y-%m-%dT%H:%M:%S"), " ", ...)
  cat(line, "\n", sep = "")
  cat(line, "\n", sep = "", file = output("run.log"), append = TRUE)
}

# Exit code 99: the method can't say anything about these data. Neither failure nor score.
not_applicable <- function(reason) {
  say("not applicable: ", reason)
  writeLines(reason, output("not_applicable.txt"))
  quit(save = "no", status = 99)
}

# Cells x features. A CSR matrix read as the columns of a CSC matrix is its transpose.
read_counts <- function(modality) {
  group <- paste0("mod/", modality, "/X")
  shape <- h5readAttributes(INPUT, group)$shape
  part <- function(name) as.vector(h5read(INPUT, paste0(group, "/", name)))
  t(sparseMatrix(
    i = part("indices"), p = part("indptr"), x = as.numeric(part("data")),
    dims = rev(as.integer(shape)), index1 = FALSE
  ))
}

# The names of the cells, in order; obs says itself which column they are.
read_cells <- function() {
  column <- h5readAttributes(INPUT, "obs")[["_index"]]
  names <- as.vector(h5read(INPUT, paste0("obs/", column)))
  Encoding(names) <- "UTF-8"
  names
}

# Counts per cell scaled to 10,000, then log(1 + x). Cells without counts stay zero.
log_normalise <- function(counts) {
  factors <- 1e4 / pmax(rowSums(counts), 1)
  values <- Diagonal(x = factors) %*% counts
  values@x <- log1p(values@x)
  values
}

most_variable <- function(values, wanted) {
  means <- colMeans(values)
  variance <- colMeans(values^2) - means^2
  order(variance, decreasing = TRUE)[seq_len(min(wanted, sum(variance > 0)))]
}

# Principal components: scores (cells x components) and their share of the variance.
components <- function(values, wanted) {
  means <- colMeans(values)
  total <- sum(colMeans(values^2) - means^2) * nrow(values)
  wanted <- min(wanted, dim(values) - 1)
  # irlba is for a few of many components; where all are near, the whole decomposition is cheap.
  if (wanted < min(dim(values)) / 3) {
    found <- irlba::irlba(values, nv = wanted, center = means, tol = 1e-8)
  } else {
    found <- svd(sweep(as.matrix(values), 2, means), nu = wanted, nv = 0)
  }
  d <- found$d[seq_len(wanted)]
  list(scores = sweep(found$u, 2, d, `*`), share = sum(d^2) / total)
}

# HDF5 stores rows last to first as R sees them, so that the transpose is written.
write_embedding <- function(latent, cells) {
  file <- output("embeddings.h5")
  unlink(file)
  h5createFile(file)
  h5createDataset(file, "latent", rev(dim(latent)), H5type = "H5T_IEEE_F32LE", level = 0)
  h5write(t(latent), file, "latent")
  h5createDataset(
    file, "obs_names", length(cells),
    storage.mode = "character", size = NULL, encoding = "UTF-8", level = 0
  )
  h5write(cells, file, "obs_names")
  h5closeAll()
}

write_metrics <- function(job, metrics) {
  content <- list(
    model_metrics = metrics,
    history = setNames(list(), character()),
    settings = list(
      hyperparameters = job$hyperparameters, seed = job$seed, modalities = I(job$modalities)
    )
  )
  text <- jsonlite::toJSON(content, auto_unbox = TRUE, digits = NA, pretty = TRUE)
  writeLines(text, output("metrics.json"))
}

write_picture <- function(latent) {
  png(output("umap.png"), width = 800, height = 800, type = "cairo")
  par(mar = c(1, 1, 1, 1))
  plot(latent[, 1:2], pch = 16, cex = 0.6, col = "#33669980", axes = FALSE, ann = FALSE)
  invisible(dev.off())
}

main <- function() {
  job <- jsonlite::fromJSON(output("job_spec.json"))
  say(job$model_name, " ", job$model_version, " on ", job$dataset_name, ", seed ", job$seed)
  if (job$device != "cpu") stop("runs on the CPU only, not on ", job$device)
  if (!"rna" %in% job$modalities) not_applicable("needs rna")
  cells <- read_cells()
  if (length(cells) < 3) not_applicable("needs at least 3 cells")
  # R's seeds are signed 32-bit integers, the job's are unsigned; -2^31 is R's NA.
  set.seed(job$seed %% .Machine$integer.max)
  values <- log_normalise(read_counts("rna"))
  values <- values[, most_variable(values, job$hyperparameters$n_top_genes), drop = FALSE]
  if (ncol(values) < 3) not_applicable("needs at least 3 genes that vary")
  say(nrow(values), " cells, ", ncol(values), " genes")
  found <- components(values, job$hyperparameters$n_components)
  write_embedding(found$scores, cells)
  write_metrics(job, list(explained_variance = found$share))
  write_picture(found$scores)
  say("done: ", ncol(found$scores), " components")
}

tryCatch(main(), error = function(problem) {
  say("ERROR ", conditionMessage(problem))
  quit(save = "no", status = 1)
})
