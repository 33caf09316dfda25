//go:build race

package providers_test

// sample: see rotationtest.Fixture. Without the race detector all cases run.
const sample = 8

// slower is how much longer all takes.
const slower = 5
