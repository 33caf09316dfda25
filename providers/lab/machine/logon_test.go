package machine_test

import (
	"sync"
	"testing"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// A logon counts at the start alone: a process goes on whatever becomes of its account, and wrong passwords lock it out.
func TestServicesLogOn(t *testing.T) {
	const account = `LAB\svc`
	var mu sync.Mutex
	refused := 0
	m, do := relay(t, &told{}, func(m *machine.Machine) {
		m.Record = func(kind, _ string) {
			mu.Lock()
			defer mu.Unlock()
			if kind == "4625" {
				refused++
			}
		}
		m.Directory = &machine.Directory{LockAfter: 2}
		m.Directory.Set(account, "first")
	})
	set := func(password string) winhost.Op {
		return &winhost.ServiceLogon{Service: "Relay", Account: account, Password: secret.NewString(password)}
	}
	start, stop := &winhost.ServiceStart{Service: "Relay"}, &winhost.ServiceStop{Service: "Relay"}
	step := func(reason string, op winhost.Op, win32 machine.Errno) {
		t.Helper()
		if r := do(op)[0]; r.Win32 != uint32(win32) || r.Done() != (win32 == 0) {
			t.Errorf("%s: %+v", reason, r)
		}
	}
	step("a wrong password is stored", set("wrong"), 0)
	step("and refused at the start", start, machine.ErrLogonFailure)
	step("the right one is stored", set("first"), 0)
	step("without the right to log on as a service", start, machine.ErrLogonFailure)
	m.Allow(account, true)
	step("with the right", start, 0)
	m.Directory.Set(account, "second")
	step("a new password is stored while it runs", set("wrong again"), 0)
	if got, password, ok := m.LoggedOn("Relay"); !ok || got != account || password != "first" {
		t.Errorf("it runs as %s, %v", got, ok)
	}
	step("it stops", stop, 0)
	step("one", start, machine.ErrLogonFailure)
	step("two", start, machine.ErrLogonFailure)
	step("the right one", set("second"), 0)
	step("comes too late: the account is locked", start, machine.ErrLogonFailure)
	m.Directory.Lock(account, false)
	step("unlocked", start, 0)
	step("an account that is not there", &winhost.ServiceLogon{Service: "Relay", Account: `LAB\nobody`}, machine.ErrNoAccount)
	step("Windows' own needs nothing", &winhost.ServiceLogon{Service: "Relay", Account: `NT SERVICE\Relay`}, 0)
	step("it stops", stop, 0)
	step("and starts", start, 0)
	mu.Lock()
	defer mu.Unlock()
	if refused != 5 {
		t.Errorf("%d refused logons are in the security log", refused)
	}
}
