//go:build !race

package providers_test

const sample = 0
