package connect

import (
	"testing"
	"time"

	"meshrotate/providers/values"
	"meshrotate/providers/winrm"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// What a document says of a host's connection reaches it: its Kerberos name, how long its shell is kept, and the guard of its account.
func TestWhatAHostsConnectionIsGiven(t *testing.T) {
	d, err := specs.Load("x.yaml", []byte(`{apiVersion: meshrotate/v1, kind: Deployment, name: x, hosts: {admin: a, relays: [r]}, secrets: {},
		connect: {winrm: {auth: ntlm, user: u, password: {env: P}, spn: WSMAN/elsewhere}, hosts: {r: {spn: HOST/r}}}, product: {api: {connectedTimeout: 3h}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &connector{d: d, idle: Idle(d), guards: map[string]*winrm.Guard{}, got: map[specs.Source]secret.Value{},
		credentials: values.Config{LookupEnv: func(string) (string, bool) { return "not-a-real-one", true }}}
	var guard *winrm.Guard
	for host, spn := range map[string]string{"a": "WSMAN/elsewhere", "r": "HOST/r"} {
		config, err := c.winrmConfig(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		if config.SPN != spn || config.IdleTimeout < 3*time.Hour || config.Name != host || config.Guard == nil || guard != nil && guard != config.Guard {
			t.Errorf("%s: %q, %s, %q, %p", host, config.SPN, config.IdleTimeout, config.Name, config.Guard)
		}
		guard = config.Guard
	}
}
