package lab_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"meshrotate/providers/lab"
)

// benchRelays are a lab like most tests', and a fleet.
var benchRelays = []int{3, 40}

// BenchmarkStart is how long a lab in memory takes to be made, in real time, with the operator's files and without.
func BenchmarkStart(b *testing.B) {
	for _, relays := range benchRelays {
		for _, files := range []bool{false, true} {
			b.Run(fmt.Sprintf("relays=%d/files=%t", relays, files), func(b *testing.B) {
				vendor()
				for b.Loop() {
					dir := ""
					if files {
						dir = b.TempDir()
					}
					begin(b, lab.Config{Relays: relays, Dir: dir, Vendor: vendor(), Memory: true}).Close()
				}
			})
		}
	}
}

// BenchmarkRestart starts a lab and restarts the service of every relay at once, with PowerShell and its times: virtual
// seconds, real milliseconds.
func BenchmarkRestart(b *testing.B) {
	for _, relays := range benchRelays {
		b.Run(fmt.Sprintf("relays=%d", relays), func(b *testing.B) {
			vendor()
			for b.Loop() {
				bubble(b, func(t *testing.T) {
					l := begin(t, lab.Config{Relays: relays, Vendor: vendor(), Memory: true})
					c := l.Client()
					var all sync.WaitGroup
					for _, h := range l.Relays {
						all.Go(func() {
							s, end := session(t, c, h)
							defer end()
							results, err := s.Do(t.Context(), restart(lab.RelayService))
							done(t, results, err)
						})
					}
					all.Wait()
				})
			}
		})
	}
}

// bubble runs a function on a virtual clock in a benchmark, which has no bubbles of its own.
func bubble(b *testing.B, run func(t *testing.T)) {
	b.Helper()
	if !testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{
		{Name: "bubble", F: func(t *testing.T) { synctest.Test(t, run) }}}) {
		b.Fatal("the bubble failed")
	}
}
