package lab_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// secretscli stores what it is given under the Engine host's key, the sync runs after it use that, and the source decides.
func TestConnectors(t *testing.T) {
	vendor()
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, lab.Config{Vendor: vendor(), Memory: true, Connectors: 3})
		ref := l.Refs()[0]
		old, next := l.ConnectorSecrets(ref)
		c := l.Client()
		set := func(value string) winhost.Result {
			shell, err := c.Dial(t.Context(), l.EngineHost.Name)
			if err != nil {
				t.Fatal(err)
			}
			rs, err := winhost.Run(t.Context(), shell, winhost.Config{}, []winhost.Op{&winhost.SecretsSet{Program: lab.SecretsCLI, Ref: ref, Value: secret.NewString(value)}})
			if err != nil {
				t.Fatal(err)
			}
			return rs[0]
		}
		syncs := func(want string) {
			t.Helper()
			time.Sleep(5 * time.Second)
			if got := syncStatus(t, l, c, "ad"); got != want {
				t.Errorf("the sync run: %q, want %q", got, want)
			}
		}
		if v, _, ok := l.Stored(ref); !ok || v != old {
			t.Fatal("the old value is not stored")
		}
		syncs("Succeeded")
		if r := set("wrong"); r.Code != winhost.OK {
			t.Errorf("%+v", r)
		}
		syncs("Failed")
		if r := set(next); r.Code != winhost.OK || !l.Works(ref) {
			t.Errorf("%+v", r)
		}
		syncs("Succeeded")
		l.SetCLI(lab.CLI{Stdin: true, Lies: true, Echoes: true})
		if r := set(old); r.Code != winhost.OK || r.Secrets.Output < len(old) {
			t.Errorf("%+v", r)
		}
		if v, _, _ := l.Stored(ref); v != next {
			t.Error("a program that lies stored it")
		}
		l.Accept(ref, old)
		syncs("Failed")
		l.SQLInstance().Down(true)
		l.SetCLI(lab.CLI{Stdin: true})
		if r := set(old); r.Code != winhost.Failed {
			t.Errorf("without its database: %+v", r)
		}
	})
}

// syncStatus is what Admin says of a connector.
func syncStatus(t *testing.T, l *lab.Lab, c *lab.Client, name string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: c.DialAPI, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://admin/api/connectors", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+l.Password)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	var list []struct{ Name, LastSyncStatus string }
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatalf("%v: %s", err, strings.TrimSpace(string(body)))
	}
	for _, one := range list {
		if one.Name == name {
			return one.LastSyncStatus
		}
	}
	return "none"
}
