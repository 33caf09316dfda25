package specs_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshrotate/specs"
)

func TestExpand(t *testing.T) {
	for _, c := range []struct {
		reason, name string
		want         []string // nil: refused
		problem      string
	}{
		{"no range", "relay.example", []string{"relay.example"}, ""},
		{"an address", "10.1.2.3", []string{"10.1.2.3"}, ""},
		{"an old NetBIOS name", "IM_RELAY1", []string{"IM_RELAY1"}, ""},
		{"zeros are kept", "r[08..11].hq", []string{"r08.hq", "r09.hq", "r10.hq", "r11.hq"}, ""},
		{"without zeros", "r[8..11]", []string{"r8", "r9", "r10", "r11"}, ""},
		{"one host", "r[5..5]", []string{"r5"}, ""},
		{"from zero", "r[0..2]", []string{"r0", "r1", "r2"}, ""},
		{"wide zeros", "r[0001..0002]", []string{"r0001", "r0002"}, ""},
		{"unequal zeros", "r[01..100]", nil, "same number of digits"},
		{"backwards", "r[5..1]", nil, "ends before it starts"},
		{"too many", "r[1..10001]", nil, "more than 10000"},
		{"a number beyond all hosts", "r[1..999999999]", nil, "more than 10000"},
		{"more digits than numbers have", "r[1..99999999999999999999]", nil, "a range is two numbers"},
		{"letters", "r[a..c]", nil, "a range is two numbers"},
		{"two ranges", "r[1..2]-[1..2]", nil, "one range"},
		{"open", "r[1..", nil, "a range is two numbers"},
		{"three dots", "r[1...3]", nil, "a range is two numbers"},
		{"a port", "relay:5986", nil, "connect.hosts"},
		{"a URL", "https://relay", nil, "adminApi.url"},
		{"a space", "relay 1", nil, "not a host name"},
		{"a hyphen in front would be an option", "-relay", nil, "not a host name"},
		{"an empty label", "a..b", nil, "not a host name"},
		{"a label too long", strings.Repeat("a", 64), nil, "not a host name"},
		{"a name too long", strings.Repeat("a.", 130) + "b", nil, "not a host name"},
		{"nothing", "", nil, "not a host name"},
		{"another script", "rélay", nil, "write it as DNS holds it, xn--rlay-bpa"},
		{"a domain in another script, in a range", "relay-[01..12].bücher.example", nil, "relay-12.xn--bcher-kva.example"},
		{"another script and a space", "rä b", nil, "not a host name"},
		{"a label that grows too long", strings.Repeat("a", 63) + "[9..10]", nil, "not a host name"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			got, err := specs.Expand(c.name)
			if c.want == nil {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("%q: %v, want %q", c.name, err, c.problem)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%q: %v (-want +got):\n%s", c.name, err, diff)
			}
		})
	}
}

func TestEngineMayShareTheAdminHost(t *testing.T) {
	for _, c := range []struct {
		reason, engine string
		want           []string
	}{
		{"left out", "", []string{"Admin", "r1"}},
		{"the same in other letters", "ADMIN", []string{"Admin", "r1"}},
		{"another", "engine", []string{"Admin", "engine", "r1"}},
	} {
		d := specs.Deployment{Hosts: specs.Hosts{Admin: "Admin", Engine: c.engine, Relays: []string{"r[1..1]"}}}
		if diff := cmp.Diff(c.want, d.AllHosts()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		if d.EngineHost() != c.want[len(c.want)-2] {
			t.Errorf("%s: the engine is on %s", c.reason, d.EngineHost())
		}
	}
}

func TestWinRMFor(t *testing.T) {
	password, other := &specs.Source{Env: "P"}, &specs.Source{Env: "Q"}
	base := specs.WinRM{Auth: "ntlm", Transport: "http", Port: 15985, User: "u", Password: password}
	for _, c := range []struct {
		reason  string
		own     specs.HostConnect
		address string
		want    specs.WinRM
	}{
		{"nothing of its own", specs.HostConnect{}, "h:15985", base},
		{"an address", specs.HostConnect{Address: "127.0.0.1"}, "127.0.0.1:15985", base},
		{"an address with a port", specs.HostConnect{Address: "127.0.0.1:99"}, "127.0.0.1:99", with(base, func(w *specs.WinRM) { w.Port = 99 })},
		{"an IPv6 address", specs.HostConnect{Address: "::1"}, "[::1]:15985", base},
		{"an IPv6 address in brackets", specs.HostConnect{Address: "[::1]"}, "[::1]:15985", base},
		{"an IPv6 address with a port", specs.HostConnect{Address: "[::1]:99"}, "[::1]:99", with(base, func(w *specs.WinRM) { w.Port = 99 })},
		{"another transport has its own port", specs.HostConnect{WinRM: specs.WinRM{Transport: "https"}}, "h:5986",
			with(base, func(w *specs.WinRM) { w.Transport, w.Port = "https", 5986 })},
		{"another transport and port", specs.HostConnect{WinRM: specs.WinRM{Transport: "https", Port: 8}}, "h:8",
			with(base, func(w *specs.WinRM) { w.Transport, w.Port = "https", 8 })},
		{"another user does not get the first one's password", specs.HostConnect{WinRM: specs.WinRM{User: "v"}}, "h:15985",
			with(base, func(w *specs.WinRM) { w.User, w.Password = "v", nil })},
		{"another service for its ticket", specs.HostConnect{WinRM: specs.WinRM{SPN: "HOST/alias"}}, "h:15985",
			with(base, func(w *specs.WinRM) { w.SPN = "HOST/alias" })},
		{"another user and password", specs.HostConnect{WinRM: specs.WinRM{User: "v", Password: other}}, "h:15985",
			with(base, func(w *specs.WinRM) { w.User, w.Password = "v", other })},
	} {
		t.Run(c.reason, func(t *testing.T) {
			d := specs.Deployment{Connect: specs.Connect{WinRM: base, Hosts: map[string]specs.HostConnect{"h": c.own}}}
			address, got := d.WinRMFor("h")
			c.want.PowerShell = "powershell.exe"
			if diff := cmp.Diff(c.want, got); diff != "" || address != c.address {
				t.Errorf("%s, want %s (-want +got):\n%s", address, c.address, diff)
			}
		})
	}
}

func with(w specs.WinRM, change func(*specs.WinRM)) specs.WinRM {
	change(&w)
	return w
}

// TestDefaults holds the program to what editors show: every `default` in a tag is what Load fills in.
func TestDefaults(t *testing.T) {
	document := `{apiVersion: meshrotate/v1, kind: Deployment, name: x, hosts: {admin: a}, secrets: {}, connect: {winrm: {kerberos: {}}}}`
	d, err := testLoader(t).Load("x.yaml", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return
		}
		for i := range v.NumField() {
			field := v.Type().Field(i)
			for tag := range strings.SplitSeq(field.Tag.Get("jsonschema"), ",") {
				if want, ok := strings.CutPrefix(tag, "default="); ok {
					found++
					got := v.Field(i)
					text := strings.TrimSpace(fmtText(got))
					if text != want {
						t.Errorf("%s.%s is %q, documented is %q", path, field.Name, text, want)
					}
				}
			}
			walk(v.Field(i), path+"."+field.Name)
		}
	}
	walk(reflect.ValueOf(d), "")
	if found < 20 {
		t.Errorf("only %d defaults were compared", found)
	}
	if d.State.Seal.Identity.Env != specs.SealVariable || d.Hosts.Engine != "a" || d.Connect.WinRM.Port != 5986 {
		t.Errorf("%+v %+v %+v", d.State.Seal, d.Hosts, d.Connect.WinRM)
	}
}

func fmtText(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case specs.Duration:
		return x.Text
	case string:
		return x
	case int:
		return itoa(x)
	}
	return ""
}
