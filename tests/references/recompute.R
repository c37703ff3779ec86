# The leaderboard's statistics recomputed from exported predictions by base R and pROC: none of the project's code.
#
#   Rscript recompute.R FOLDER INFLATION
#
# (INFLATION multiplies the covariance of AUCs in tests between rows of cross-validation) reads repeated-cv.csv, family.csv and every sites*.csv in FOLDER (columns method, split, seed, site, case, label, threshold, probability;
# a method that seeds do not change may stand under one seed only) and writes FOLDER/figures.csv: table, a, b, quantity, value.

suppressPackageStartupMessages(library(pROC))

folder <- commandArgs(trailingOnly = TRUE)[1]
inflation <- as.numeric(commandArgs(trailingOnly = TRUE)[2])
figures <- list()
tell <- function(table, a, b, quantity, value) {
  figures[[length(figures) + 1]] <<- data.frame(table = table, a = a, b = b, quantity = quantity, value = as.numeric(value))
}
read <- function(file) {
  rows <- read.csv(file.path(folder, file), colClasses = c(method = "character", site = "character", case = "character"))
  rows$method <- factor(rows$method, levels = unique(rows$method))
  rows
}

# ---- one test part -----------------------------------------------------------------------------------------------------------

area <- function(y, p) as.numeric(auc(roc(y, p, levels = c(0, 1), direction = "<", quiet = TRUE)))

# DeLong, DeLong and Clarke-Pearson 1988: a case's share of the other class that it is ranked rightly against.
placements <- function(y, p) {
  one <- y == 1
  value <- numeric(length(y))
  value[one] <- (rank(p)[one] - rank(p[one])) / sum(!one)
  value[!one] <- 1 - (rank(p)[!one] - rank(p[!one])) / sum(one)
  value
}

delong_covariance <- function(v1, v2, y) cov(v1[y == 1], v2[y == 1]) / sum(y == 1) + cov(v1[y == 0], v2[y == 0]) / sum(y == 0)

average_precision <- function(y, s) mean(sapply(s[y == 1], function(cut) sum(y[s >= cut]) / sum(s >= cut)))

CONTROL <- glm.control(epsilon = 1e-15, maxit = 200)
recalibration <- function(y, p) {
  x <- qlogis(pmin(pmax(p, 1e-6), 1 - 1e-6))
  large <- glm(y ~ 1, family = binomial, offset = x, control = CONTROL)
  both <- glm(y ~ x, family = binomial, control = CONTROL)
  c(calibration_intercept = unname(coef(large)[1]), calibration_slope = unname(coef(both)[2]))
}

# `s` orders the cases as `p` does; it spares 1 - p the rounding that could tie two cases.
one_class_positive <- function(y, p, vote, s) {
  tp <- as.numeric(sum(vote & y == 1)); fp <- as.numeric(sum(vote & y == 0))
  fn <- as.numeric(sum(!vote & y == 1)); tn <- as.numeric(sum(!vote & y == 0))
  spread <- sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
  c(
    auc = area(y, s), accuracy = mean(vote == (y == 1)), f1 = 2 * tp / (2 * tp + fp + fn),
    precision = if (tp + fp == 0) 0 else tp / (tp + fp), recall = tp / (tp + fn), specificity = tn / (tn + fp),
    balanced_accuracy = (tp / (tp + fn) + tn / (tn + fp)) / 2, mcc = if (spread == 0) 0 else (tp * tn - fp * fn) / spread,
    auprc = average_precision(y, s), brier = mean((p - y)^2), recalibration(y, p)
  )
}

metrics <- function(part) {
  vote <- part$probability > part$threshold
  ones <- one_class_positive(part$label, part$probability, vote, part$probability)
  zeros <- one_class_positive(1 - part$label, 1 - part$probability, !vote, -part$probability)
  c(ones, setNames(zeros, paste0(names(zeros), "_label0")))
}

# ---- repeated cross-validation -----------------------------------------------------------------------------------------------

# Nadeau and Bengio 2003: (1/J + n_test/n_train) in place of 1/J, five folds.
nadeau_bengio <- function(d) {
  error <- sqrt((1 / length(d) + 1 / 4) * var(d))
  df <- length(d) - 1
  statistic <- mean(d) / error
  half <- qt(0.975, df) * error
  c(
    difference = mean(d), low = mean(d) - half, high = mean(d) + half,
    t = statistic, df = df, p = 2 * pt(-abs(statistic), df), error = error
  )
}

# Corani and Benavoli 2015: under a flat prior the posterior of the mean difference is the same t.
p_equivalent <- function(test) {
  inside <- pt((c(0.01, -0.01) - test["difference"]) / test["error"], test["df"])
  inside[1] - inside[2]
}

# Ten bins of equal width, within a seed, then the mean over seeds (Naeini et al. 2015).
calibration_error <- function(rows) {
  mean(sapply(split(rows, rows$seed), function(part) {
    gaps <- sapply(split(part, pmin(floor(part$probability * 10), 9)), function(bin) sum(bin$label) - sum(bin$probability))
    sum(abs(gaps)) / nrow(part)
  }))
}

mcnemar_midp <- function(right_a, right_b) {
  b <- sum(right_a & !right_b)
  c <- sum(!right_a & right_b)
  if (b == c) 1 else 2 * pbinom(min(b, c), b + c, 0.5) - dbinom(min(b, c), b + c, 0.5)
}

cut_to_range <- function(metric, value) {
  if (startsWith(metric, "calibration")) return(value)
  pmin(pmax(value, if (startsWith(metric, "mcc")) -1 else 0), 1)
}

by_patient <- function(value, rows) {
  means <- tapply(value, rows$case, mean)
  means[order(names(means))]
}

# The noncentrality at which t(df) exceeds the threshold with the given probability.
found_with <- function(power, threshold, df) {
  uniroot(function(d) pt(threshold, df, ncp = d) - (1 - power), c(0, 30), tol = 1e-13)$root
}

repeated_cv <- function(table, rows) {
  methods <- levels(rows$method)
  found <- list(); placed <- list(); margin <- list(); averaged <- list()
  for (name in methods) {
    own <- rows[rows$method == name, ]
    parts <- split(own, own$split)
    found[[name]] <- sapply(parts, metrics)
    value <- numeric(nrow(own))
    for (part in names(parts)) {
      here <- own$split == part
      value[here] <- placements(own$label[here], own$probability[here])
    }
    placed[[name]] <- by_patient(value, own)
    margin[[name]] <- round(by_patient(own$probability - own$threshold, own), 12)
    averaged[[name]] <- round(by_patient(own$probability, own), 12)
    tell(table, name, "", "calibration error", calibration_error(own))
  }
  y <- by_patient(own$label, own)

  # The rank formula of the placements against pROC's own variance, in one test part.
  part <- parts[[1]]
  v <- placements(part$label, part$probability)
  theirs <- var(roc(part$label, part$probability, levels = c(0, 1), direction = "<", quiet = TRUE), method = "delong")
  stopifnot(abs(delong_covariance(v, v, part$label) / theirs - 1) < 1e-10)

  for (name in methods) {
    for (metric in rownames(found[[name]])) {
      estimate <- nadeau_bengio(found[[name]][metric, ])
      interval <- cut_to_range(metric, estimate[c("low", "high")])
      if (metric %in% c("auc", "auc_label0")) {
        mean_auc <- unname(estimate["difference"])
        error <- sqrt(1.25 * delong_covariance(placed[[name]], placed[[name]], y))
        interval <- plogis(qlogis(mean_auc) + c(-1, 1) * qnorm(0.975) * error / (mean_auc * (1 - mean_auc)))
      }
      tell(table, name, metric, "mean", estimate["difference"])
      tell(table, name, metric, "interval low", interval[1])
      tell(table, name, metric, "interval high", interval[2])
    }
    tell(table, name, "", "AUC of seed-averaged predictions", area(y, averaged[[name]]))
  }

  pairs <- combn(methods, 2)
  tests <- apply(pairs, 2, function(pair) nadeau_bengio(found[[pair[1]]]["auc", ] - found[[pair[2]]]["auc", ]))
  for (k in seq_len(ncol(pairs))) {
    a <- pairs[1, k]; b <- pairs[2, k]
    for (quantity in c("difference", "t")) tell(table, a, b, quantity, tests[quantity, k])
    tell(table, a, b, "p_nadeau_bengio", tests["p", k])
    tell(table, a, b, "p_equivalent", p_equivalent(tests[, k]))
    right_a <- (margin[[a]] > 0) == (y == 1); right_b <- (margin[[b]] > 0) == (y == 1)
    tell(table, a, b, "p_mcnemar", mcnemar_midp(right_a, right_b))
    tell(table, a, b, "p_mcnemar_recall", mcnemar_midp(right_a[y == 1], right_b[y == 1]))
    tell(table, a, b, "p_mcnemar_specificity", mcnemar_midp(right_a[y == 0], right_b[y == 0]))
  }
  adjusted <- p.adjust(tests["p", ], "holm")
  for (k in seq_len(ncol(pairs))) tell(table, pairs[1, k], pairs[2, k], "p_holm", adjusted[k])

  covariance <- sapply(methods, function(a) sapply(methods, function(b) delong_covariance(placed[[a]], placed[[b]], y)))
  drawn <- max_t(covariance, pairs, tests["difference", ], min(sum(y == 1), sum(y == 0)) - 1)
  for (k in seq_len(ncol(pairs))) {
    for (quantity in c("error", "p", "p_adjusted", "low", "high")) {
      tell(table, pairs[1, k], pairs[2, k], quantity, drawn[[quantity]][k])
    }
  }
  family(table, methods, pairs, tests["difference", ], drawn$p_adjusted)
  tell(table, "", "", "|t| of the first rejection", drawn$critical)
  found <- found_with(0.8, drawn$critical, drawn$df)
  tell(table, "", "", "minimum detectable difference", median(drawn$error) * found)
  tell(table, "", "", "df", drawn$df)
}

# Westfall and Young 1993, free step-down: the greatest |z| of the pairs not called yet, drawn from a multivariate t.
max_t <- function(covariance, pairs, difference, df, draws = 400000) {
  error <- sqrt(inflation * apply(pairs, 2, function(pair) sum(covariance[pair, pair] * c(1, -1, -1, 1))))
  z <- abs(difference / error)
  set.seed(1)
  # By the Cholesky factor; chol() wants full rank, which five different rows have.
  values <- (matrix(rnorm(draws * nrow(covariance)), draws) %*% chol(covariance)) / sqrt(rchisq(draws, df) / df)
  colnames(values) <- colnames(covariance)
  falling <- order(-z)
  drawn <- sapply(falling, function(k) {
    abs(values[, pairs[1, k]] - values[, pairs[2, k]]) / (error[k] / sqrt(inflation))
  })
  greatest <- rep(0, draws)
  p <- numeric(length(z))
  for (step in rev(seq_along(falling))) {
    greatest <- pmax(greatest, drawn[, step])
    p[step] <- mean(greatest >= z[falling[step]])
  }
  adjusted <- numeric(length(z))
  adjusted[falling] <- cummax(p)
  critical <- unname(quantile(greatest, 0.95))
  list(
    error = error, p = 2 * pt(-z, df), p_adjusted = adjusted, critical = critical, df = df,
    low = difference - critical * error, high = difference + critical * error
  )
}

# All ranked rows of a table by max-T alone.
whole_family <- function(table, rows) {
  methods <- levels(rows$method)
  placed <- list(); area_of <- c()
  for (name in methods) {
    own <- rows[rows$method == name, ]
    parts <- split(own, factor(own$split, levels = unique(own$split)))
    placed[[name]] <- by_patient(unlist(lapply(parts, function(part) placements(part$label, part$probability))), own)
    area_of[name] <- mean(sapply(parts, function(part) area(part$label, part$probability)))
  }
  y <- by_patient(own$label, own)
  covariance <- sapply(methods, function(a) sapply(methods, function(b) delong_covariance(placed[[a]], placed[[b]], y)))
  pairs <- combn(methods, 2)
  drawn <- max_t(covariance, pairs, area_of[pairs[1, ]] - area_of[pairs[2, ]], min(sum(y == 1), sum(y == 0)) - 1, 200000)
  for (k in seq_len(ncol(pairs))) {
    for (quantity in c("error", "p", "p_adjusted")) tell(table, pairs[1, k], pairs[2, k], quantity, drawn[[quantity]][k])
  }
  tell(table, "", "", "|t| of the first rejection", drawn$critical)
}

# Rank intervals and the best set from the adjusted p-values.
family <- function(table, methods, pairs, difference, adjusted) {
  for (name in methods) {
    wins <- sum(adjusted < 0.05 & ifelse(pairs[1, ] == name, difference > 0, pairs[2, ] == name & difference < 0))
    losses <- sum(adjusted < 0.05 & ifelse(pairs[1, ] == name, difference < 0, pairs[2, ] == name & difference > 0))
    tell(table, name, "", "rank low", 1 + losses)
    tell(table, name, "", "rank high", length(methods) - wins)
    tell(table, name, "", "best set", losses == 0)
  }
}

# ---- leave one site out ------------------------------------------------------------------------------------------------------

# All 2^H sign patterns, without listing them: the sums of either half of the sites, sorted, and how many pairs reach |sum|.
sign_flip <- function(d) {
  sums <- function(x) sort(Reduce(function(s, v) c(s + v, s - v), x, 0))
  half <- seq_along(d) <= length(d) %/% 2
  left <- sums(d[half]); right <- sums(d[!half])
  least <- abs(sum(d)) - 1e-12 * (1 + sum(abs(d)))
  reached <- length(right) - findInterval(least - left, right, left.open = TRUE)
  min(1, 2 * sum(as.numeric(reached)) / (as.numeric(length(left)) * length(right)))
}

cochran <- function(s, v) {
  w <- 1 / v
  sum(w * (s - sum(w * s) / sum(w))^2)
}

# Paule and Mandel 1982; Hartung and Knapp 2001, q kept at 1 or more (Rover, Knapp and Friede 2015).
random_effects <- function(s, v) {
  df <- length(s) - 1
  tau2 <- 0
  if (cochran(s, v) > df) tau2 <- uniroot(function(t2) cochran(s, v + t2) - df, c(0, 1), tol = 1e-18, maxiter = 10000)$root
  w <- 1 / (v + tau2)
  center <- sum(w * s) / sum(w)
  half <- qt(0.975, df) * sqrt(max(1, sum(w * (s - center)^2) / df) / sum(w))
  c(
    random_effects_auc = center, low = max(0, center - half), high = min(1, center + half),
    tau = sqrt(tau2), i2 = max(0, 1 - df / cochran(s, v))
  )
}

# Demsar 2006, over sites: Friedman, the F of Iman and Davenport, and Nemenyi's critical difference by the studentized range.
blocks <- function(table, scores) {
  B <- nrow(scores); M <- ncol(scores)
  chi2 <- unname(friedman.test(scores)$statistic)
  f <- (B - 1) * chi2 / (B * (M - 1) - chi2)
  ranks <- colMeans(t(apply(-scores, 1, rank)))
  quantile <- uniroot(function(q) ptukey(q, M, Inf) - 0.95, c(1, 10), tol = 1e-14)$root
  tell(table, "", "", "Friedman chi2", chi2)
  tell(table, "", "", "Iman-Davenport F", f)
  tell(table, "", "", "Iman-Davenport p", pf(f, M - 1, (M - 1) * (B - 1), lower.tail = FALSE))
  tell(table, "", "", "critical difference", quantile / sqrt(2) * sqrt(M * (M + 1) / (6 * B)))
  for (a in colnames(scores)) tell(table, a, "", "mean rank", ranks[a])
}

leave_one_site_out <- function(table, rows) {
  methods <- levels(rows$method)
  whole <- rows[rows$method == methods[1] & rows$seed == rows$seed[1], ]
  positives <- tapply(whole$label, whole$site, sum)
  negatives <- tapply(1 - whole$label, whole$site, sum)
  sites <- names(positives)[pmin(positives, negatives) >= 5]
  scores <- list()
  for (name in methods) {
    own <- rows[rows$method == name, ]
    values <- sapply(sites, function(site) {
      here <- own[own$site == site, ]
      parts <- split(here, here$seed)
      areas <- sapply(parts, function(part) area(part$label, part$probability))
      placed <- unlist(lapply(parts, function(part) placements(part$label, part$probability)))
      placed <- by_patient(placed, do.call(rbind, parts))
      y <- by_patient(here$label, here)
      c(auc = mean(areas), variance = delong_covariance(placed, placed, y))
    })
    stopifnot(values["variance", ] > 0)
    scores[[name]] <- values["auc", ]
    for (site in sites) tell(table, name, site, "AUC of a site", values["auc", site])
    effects <- random_effects(values["auc", ], values["variance", ])
    tell(table, name, "auc", "mean", mean(values["auc", ]))
    around <- t.test(values["auc", ])$conf.int
    tell(table, name, "auc", "interval low", around[1])
    tell(table, name, "auc", "interval high", around[2])
    for (quantity in c("tau", "i2", "random_effects_auc")) tell(table, name, "", quantity, effects[quantity])
    tell(table, name, "", "random_effects_low", effects["low"])
    tell(table, name, "", "random_effects_high", effects["high"])
    tell(table, name, "", "worst_auc", min(values["auc", ]))
  }
  pairs <- combn(methods, 2)
  tests <- apply(pairs, 2, function(pair) {
    level <- 1 - 0.05 / ncol(pairs)  # the intervals hold for all pairs together
    result <- t.test(scores[[pair[1]]], scores[[pair[2]]], paired = TRUE, conf.level = level)
    flips <- sign_flip(scores[[pair[1]]] - scores[[pair[2]]])
    c(unname(result$estimate), result$conf.int, result$parameter, result$p.value, flips)
  })
  for (k in seq_len(ncol(pairs))) {
    told <- setNames(tests[, k], c("difference", "low", "high", "df", "p", "p_sign_flip"))
    for (quantity in names(told)) tell(table, pairs[1, k], pairs[2, k], quantity, told[quantity])
  }
  adjusted <- p.adjust(tests[5, ], "holm")
  for (k in seq_len(ncol(pairs))) tell(table, pairs[1, k], pairs[2, k], "p_adjusted", adjusted[k])
  family(table, methods, pairs, tests[1, ], adjusted)
  blocks(table, do.call(cbind, scores))
}

repeated_cv("repeated-cv", read("repeated-cv.csv"))
whole_family("family", read("family.csv"))
for (file in sort(list.files(folder, "^sites.*[.]csv$"))) leave_one_site_out(sub("[.]csv$", "", file), read(file))
told <- do.call(rbind, figures)
told$value <- sprintf("%.17g", told$value)
write.csv(told, file.path(folder, "figures.csv"), row.names = FALSE)
