//go:build !race

package providers_test

const sample = 0

const slower = 1
