package lab_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
)

// A lab that is closed is let go: thousands of schedules live one after the other in one process.
func TestAClosedLabIsLetGo(t *testing.T) {
	for _, drivers := range []bool{false, true} {
		if labOf(t, lab.Config{Relays: 2, Connectors: 2, Login: "alternating", Memory: true, Drivers: drivers}).Value() != nil {
			t.Errorf("drivers %t: something still holds the lab", drivers)
		}
	}
}

// labOf is what is left of a lab that was made, asked and closed.
func labOf(t *testing.T, c lab.Config) weak.Pointer[lab.Lab] {
	t.Helper()
	c.Dir, c.Vendor = t.TempDir(), vendor()
	var left weak.Pointer[lab.Lab]
	synctest.Test(t, func(t *testing.T) {
		l, err := lab.Start(c)
		if err != nil {
			t.Fatal(err)
		}
		l.Statements(func(sqlserver.Statement) { _ = l.SQL() }) // a hook that knows the lab, as a world's does
		time.Sleep(time.Minute)                                 // everything runs, and the connectors sync
		if n := l.Connected(); n != c.Relays {
			t.Errorf("%d relays are connected", n)
		}
		l.Close()
		left = weak.Make(l)
	})
	runtime.GC()
	runtime.GC() // sync.Pool keeps what it has for one more
	return left
}
