package providers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshrotate/providers"
	"meshrotate/reconciler/session"
	"meshrotate/specs"
	"meshrotate/specs/trust"
)

// TestWhatAnOperatorAllowsBesideABase: it is in force, and named. Where anything else is not agreed to, the base's is: a contact of the
// request's with the base's credential would be a document that nobody wrote.
func TestWhatAnOperatorAllowsBesideABase(t *testing.T) {
	loader := specs.Loader{Sections: providers.Sections()}
	file := filepath.Join(t.TempDir(), "op.yaml")
	if err := os.WriteFile(file, []byte(`{apiVersion: meshrotate/v1, kind: Operator, urls: ["https://vault.example"], hosts: ["relay-9"], sources: {env: [IM_*]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	operator, err := trust.LoadOperator(file, "")
	if err != nil {
		t.Fatal(err)
	}
	load := func(edits ...string) *specs.Deployment {
		d, err := loader.Load("contoso.yaml", []byte(strings.NewReplacer(edits...).Replace(agreed)))
		if err != nil {
			t.Fatal(err)
		}
		d.Origin.ReadFile = func(string) ([]byte, error) { return []byte("agreed"), nil }
		return d
	}
	const url, agreedURL = "https://vault.example", "https://im-admin"
	for _, c := range []struct {
		reason  string
		edits   []string
		changed []string // in force, and named
		blocks  []string
		url     string
	}{
		{"nothing", nil, nil, nil, agreedURL},
		{"another URL", []string{agreedURL, url}, []string{"connect.adminApi.url is changed, allowed by " + file + ": https://im-admin → https://vault.example"}, nil, url},
		{"a new relay", []string{`"relay-[1..3]"`, `"relay-[1..3]", relay-9`}, []string{"hosts.relays is changed, allowed by " + file + ": nothing → relay-9"}, nil, agreedURL},
		{"a variable", []string{"env: IM_PASSWORD", "env: IM_OTHER"}, []string{"connect.winrm.password is changed, allowed by "}, nil, agreedURL},
		{"another URL, and what nobody agrees to", []string{agreedURL, url, `'C\r'`, `'C\other'`}, nil,
			[]string{"connect.adminApi.url is new, not contacted: https://vault.example (agreed: https://im-admin)", "connect.winrm.user is new"}, agreedURL},
	} {
		d, err := trust.Bind(loader, load(c.edits...), trust.Side{Base: load(), Name: "main at 1234567", Operator: operator})
		if err != nil {
			t.Fatalf("%s: %v", c.reason, err)
		}
		var changed, blocks []string
		for _, q := range d.Origin.Changed {
			changed = append(changed, q.Text)
		}
		for _, q := range d.Origin.Doubts {
			blocks = append(blocks, q.Text)
		}
		said(t, c.reason, changed, c.changed)
		said(t, c.reason, blocks, c.blocks)
		if d.Connect.AdminAPI.URL != c.url || d.Origin.Unagreed {
			t.Errorf("%s: in force is %s", c.reason, d.Connect.AdminAPI.URL)
		}
		if len(c.blocks) > 0 && !strings.Contains(d.Origin.Doubts[0].Hint+d.Origin.Doubts[1].Hint, "allows it; it is in force when everything else") {
			t.Errorf("%s: %+v", c.reason, d.Origin.Doubts)
		}
		for _, f := range session.Untrusted(d) {
			if f.Hint == "" || len(c.changed) > 0 && f.Code != "trust-changed" {
				t.Errorf("%s: %+v", c.reason, f)
			}
		}
	}
}
