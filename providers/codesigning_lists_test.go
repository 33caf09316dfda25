package providers_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/codesigning"
	"meshrotate/reconciler"
)

// lists writes the accepted thumbprints of a relay in another form.
func lists(t *testing.T, h *lab.Host, list string) {
	t.Helper()
	disk := h.Machine.FS.(*machine.Memory)
	content, _, err := disk.Read(h.Settings())
	array := regexp.MustCompile(`("AcceptedThumbprints":\s*)\[[^]]*\]`)
	if err != nil || !array.Match(content) {
		t.Fatalf("%v: %s", err, content)
	}
	disk.Write(h.Settings(), array.ReplaceAll(content, []byte("${1}"+list)))
}

// Thumbprints may stand in one text, with blanks between them and at its ends: what was written is found again.
func TestListsInOneText(t *testing.T) {
	t.Parallel()
	for _, list := range []string{`"  %s "`, `"%s ; %s"`, `"%s, %s"`} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, "codesigning")
			old, next := lab.Certificates()
			for _, h := range w.lab.Relays {
				lists(t, h, strings.ReplaceAll(list, "%s", old.SHA1))
				h.Machine.Reboot()
			}
			w.await("the relays are back", func() bool { return w.lab.Connected() == len(w.lab.Relays) })
			time.Sleep(time.Minute)
			w.declares(old, next)
			w.settlesOn(old, next)
		})
	}
}

// A relay whose list has a stolen certificate in both its forms was away when that one was taken out. Once it is back it is taken out
// there as well: what no relay looks at keeps no connector working.
func TestBothFormsOfAStolenCertificate(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "codesigning")
		old, next := lab.Certificates()
		w.declares(old, next)
		w.settlesOn(old, next)
		w.redeploys(next, w.relay(1), w.relay(2))
		away := w.relay(3) // its connectors are signed with old still
		if err := w.lab.SetThumbprints(away, old.SHA1, old.SHA256, next.SHA1); err != nil {
			t.Fatal(err)
		}
		w.do("stop", away.Name)
		time.Sleep(20 * time.Second)
		w.do("start", away.Name)
		time.Sleep(time.Minute)
		away.Unplug(true)
		w.doc.Policy.Unreachable.Tolerate = []string{away.Name}
		w.declares(next)
		if _, o := w.replace("codesigning", "stolen"); o.Err != nil || len(o.Left) != 1 {
			t.Fatalf("%v", o)
		}
		away.Unplug(false)
		time.Sleep(time.Hour)
		if _, o := w.run(); o.Err != nil || len(o.Left) > 0 {
			t.Fatalf("it is back: %v", o)
		}
		if err := w.acceptsOnly(next); err != nil && !strings.Contains(err.Error(), "refuses") {
			t.Error(err)
		}
		w.redeploys(next, away)
		w.settlesOn(next)
	})
}

// What no relay looks at refuses nothing: a SHA-256, or a thumbprint with a colon, of the certificate that a connector is signed with. The
// relay refuses that connector already, and the plan says so.
func TestMembersThatNoRelayLooksAt(t *testing.T) {
	t.Parallel()
	old, next := lab.Certificates()
	for _, member := range []string{strings.ToLower(next.SHA256), next.SHA1[:2] + ":" + next.SHA1[2:]} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, "codesigning")
			w.declares(old)
			w.settlesOn(old)
			one := w.relay(1)
			if err := w.lab.SetThumbprints(one, old.SHA1, member); err != nil {
				t.Fatal(err)
			}
			if err := w.lab.Deploy(one, map[string][]byte{lab.RelayConnectors()[0]: lab.Connector("1", next)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			w.do("stop", one.Name)
			time.Sleep(20 * time.Second)
			w.do("start", one.Name)
			time.Sleep(time.Minute)
			c := w.planned().Changes[0]
			if findingOf(c, "connector-not-accepted") == nil || findingOf(c, "thumbprint-in-use") != nil {
				t.Errorf("%s: %+v", member, c.Findings)
			}
			if p, o := w.run(); o.Err != nil || len(p.Blocked()) > 0 || !w.planned().Empty() {
				t.Errorf("%s: %v", member, o)
			}
		})
	}
}

// A list that no member can be added to is refused before anything begins.
func TestListsThatCannotBeEdited(t *testing.T) {
	t.Parallel()
	for list, says := range map[string]string{`null`: "is null", `{"primary":"%s"}`: "only numbers", `{"00":"%s"}`: "only numbers"} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, "codesigning")
			old, next := lab.Certificates()
			h := w.lab.Relays[1]
			lists(t, h, strings.ReplaceAll(list, "%s", old.SHA1))
			w.declares(old, next)
			c := w.planned().Changes[0]
			if f := findingOf(c, "settings-refused"); c.Status != reconciler.Refused || f == nil || !slices.Equal(f.Hosts, []string{h.Name}) || !strings.Contains(f.Text, says) {
				t.Errorf("%s: %s, %+v", list, c.Status, c.Findings)
			}
		})
	}
}

// What is neither a list nor a text .NET reads as a text: it is told, taken out, and what is declared is written.
func TestListsOfAnotherKind(t *testing.T) {
	t.Parallel()
	for _, list := range []string{`true`, `5`} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 1, "codesigning")
			old, next := lab.Certificates()
			lists(t, w.lab.Relays[0], list)
			w.declares(old, next)
			if f := findingOf(w.planned().Changes[0], "thumbprint-not-found"); f == nil || !strings.Contains(f.Text, "holds something that is no thumbprint") {
				t.Errorf("%s: %+v", list, f)
			}
			w.settlesOn(old, next)
		})
	}
}

// A certificate stays on the list while nobody can say whether a connector is signed with it. No relay is stopped to find out.
func TestAConnectorThatNobodyCanRead(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "codesigning")
		old, next := lab.Certificates()
		w.declares(old, next)
		w.settlesOn(old, next)
		w.redeploys(next, w.lab.Relays...)
		w.declares(next)
		h := w.relay(2)
		path := lab.ConnectorFolder + `\` + lab.RelayConnectors()[0]
		release, err := h.Machine.FS.(*machine.Memory).Hold(path, machine.ShareNone)
		if err != nil {
			t.Fatal(err)
		}
		w.refused("connector-unreadable", h.Name, lab.RelayConnectors()[0], "Windows error 32")
		release()
		w.settlesOn(next)
	})
}

// The list stands under the key that the document names: that is read and written, and what stands under the usual one is left alone.
func TestListsUnderAnotherKey(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "codesigning")
		old, next := lab.Certificates()
		h := w.lab.Relays[0]
		disk := h.Machine.FS.(*machine.Memory)
		lists(t, h, `["`+old.SHA1+`"], "Trusted": {"Signers": ["`+old.SHA1+`"]}`)
		h.Machine.Reboot()
		w.await("the relay is back", func() bool { return w.lab.Connected() == 1 })
		time.Sleep(time.Minute)
		w.doc.Secrets["codeSigning"].(*codesigning.Spec).Setting = "Relay:Trusted:Signers"
		w.declares(old, next)
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o.Err)
		}
		content, _, _ := disk.Read(h.Settings())
		text := strings.Join(strings.Fields(string(content)), "")
		if !strings.Contains(text, `"Signers":["`+old.SHA1+`","`+next.SHA1+`"]`) || !strings.Contains(text, `"AcceptedThumbprints":["`+old.SHA1+`"]`) {
			t.Errorf("%s", content)
		}
		if p := w.planned(); !p.Empty() || len(p.Blocked()) > 0 {
			t.Errorf("%+v", p.Changes)
		}
	})
}
