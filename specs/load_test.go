package specs_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshrotate/specs"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGood loads the documents that must load, also as Windows editors save them.
func TestGood(t *testing.T) {
	for _, file := range glob(t, "testdata/good/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if _, err := testLoader(t).LoadFile(file); err != nil {
				t.Fatal(err)
			}
			data := read(t, file)
			windows := append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))...)
			d, err := testLoader(t).Load("windows.yaml", windows)
			if err != nil {
				t.Errorf("with a byte order mark and CRLF: %v", err)
			} else if !strings.HasPrefix(d.Name, "contoso") {
				t.Errorf("name is %q", d.Name)
			}
		})
	}
}

// TestBad compares everything that is wrong in each document with what was reported once and read by a person.
func TestBad(t *testing.T) {
	for _, file := range glob(t, "testdata/bad/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := testLoader(t).Load(filepath.Base(file), read(t, file))
			if err == nil {
				t.Fatal("the document was accepted")
			}
			got := err.Error() + "\n"
			if strings.Contains(strings.ToLower(got), "hunter2") {
				t.Errorf("a secret was repeated:\n%s", got)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(read(t, golden)), got); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFull(t *testing.T) {
	d, err := testLoader(t).LoadFile("testdata/good/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	voucher, spareKey := d.Secrets["voucher"].(*voucherSpec), d.Secrets["spareKey"].(*spareKeySpec)
	for _, c := range []struct {
		reason    string
		got, want any
	}{
		{"a text version", voucher.Version, specs.Version("2026-11")},
		{"a number version", spareKey.Version, specs.Version("7")},
		{"an embedded source", voucher.From, specs.Source{File: "vouchers/contoso-2026-11.key.age"}},
		{"the word generated", spareKey.From, specs.Source{Generated: true}},
		{"a year", spareKey.Every.Of().Hours(), 365 * 24.0},
		{"a section's own default", spareKey.Bytes, 32},
		{"a source inside a list", *spareKey.Also[0].Key, specs.Source{Env: "OTHER"}},
		{"hosts by part, ranges expanded", len(d.AllHosts()), 16},
		{"tolerated relays have the relays' spelling", d.Tolerated(), []string{"relay-dmz.contoso.example", "relay-03.hq.contoso.example", "relay-04.hq.contoso.example"}},
		{"overrides have the hosts' spelling", d.Connect.Hosts["relay-dmz.contoso.example"].Address, "10.1.2.3:15986"},
		{"an override", d.Product.Admin.Settings, `D:\IdentityMesh\appsettings.json`},
		{"a default beside overrides", d.Product.Engine.StopTimeout.Of().Seconds(), 60.0},
		{"the folder", d.Origin.Dir, filepath.FromSlash("testdata/good")},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
	if data, err := d.Origin.ReadFile("minimal.yaml"); err != nil || !bytes.Contains(data, []byte("im-admin")) {
		t.Errorf("a file beside the document: %q, %v", data, err)
	}
}

// TestChecksWaitForTheirInput: what a section's check would say about half a document is not said.
func TestChecksWaitForTheirInput(t *testing.T) {
	const noRelays = "there are no relays"
	document := "apiVersion: meshrotate/v1\nkind: Deployment\nname: x\nhosts: {admin: a}\nsecrets: {spareKey: {version: 7, from: generated}}\n"
	for _, c := range []struct {
		reason, from, to string
		said             bool
	}{
		{"a whole document", "", "", true},
		{"an unknown key may be hosts or connect misspelt", "name: x", "nmae: x", false},
		{"a wrong name hides nothing", "name: x", "name: X", true},
		{"a missing name hides nothing", "name: x\n", "", true},
		{"a wrong policy hides nothing", "name: x", "name: x\npolicy: {parallel: many}", true},
		{"hosts may be what is misspelt", "hosts:", "host:", false},
		{"hosts with a mistake are not all hosts", "{admin: a}", "{admin: a, relay: [b]}", false},
		{"a section with a mistake is not checked", "version: 7", "version: 1.0", false},
		{"a section that lacks something is not checked", "version: 7, ", "", false},
	} {
		t.Run(c.reason, func(t *testing.T) {
			_, err := testLoader(t).Load("x.yaml", []byte(strings.Replace(document, c.from, c.to, 1)))
			if err == nil || strings.Contains(err.Error(), noRelays) != c.said {
				t.Errorf("said must be %v:\n%v", c.said, err)
			}
		})
	}
}

// TestTooLarge: what is read from a file is cut off after the largest size; nothing of that may be taken for the document.
func TestTooLarge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.yaml")
	for _, start := range []string{"", "\xef\xbb\xbf"} {
		document := start + string(read(t, "testdata/good/minimal.yaml")) + strings.Repeat("# comment\n", 200_000)
		if err := os.WriteFile(file, []byte(document), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := testLoader(t).LoadFile(file); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
			t.Errorf("got %v", err)
		}
	}
}

// TestTenThousandRelays has the largest number of relays in one line.
func TestTenThousandRelays(t *testing.T) {
	document := strings.Replace(string(read(t, "testdata/good/minimal.yaml")), "{admin: im-admin}", `{admin: im-admin, relays: ["r[00001..10000]"]}`, 1)
	d, err := testLoader(t).Load("big.yaml", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if relays := d.Relays(); len(relays) != specs.MaxRelays || relays[9999] != "r10000" || relays[0] != "r00001" {
		t.Errorf("%d relays, from %s to %s", len(relays), relays[0], relays[len(relays)-1])
	}
	document = strings.Replace(document, "]\"", "]\", one-more", 1)
	if _, err = testLoader(t).Load("big.yaml", []byte(document)); err == nil || !strings.Contains(err.Error(), "more than 10000 relays") {
		t.Errorf("one relay too many: %v", err)
	}
}

func BenchmarkLoad(b *testing.B) {
	data := read(b, "testdata/good/full.yaml")
	loader := testLoader(b)
	for b.Loop() {
		if _, err := loader.Load("full.yaml", data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadTenThousandLines(b *testing.B) {
	var relays strings.Builder
	for i := range specs.MaxRelays {
		relays.WriteString("\n    - relay-" + strings.Repeat("x", i%7) + strings.ReplaceAll(strings.Repeat("0", 5), "0", string(rune('a'+i%26))) + "-[" + itoa(i) + ".." + itoa(i) + "]")
	}
	data := strings.Replace(string(read(b, "testdata/good/minimal.yaml")), "{admin: im-admin}", "\n  admin: im-admin\n  relays:"+relays.String(), 1)
	loader := testLoader(b)
	for b.Loop() {
		if _, err := loader.Load("big.yaml", []byte(data)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestNever: what nobody rotates is refused with its reason under secrets, and nowhere else.
func TestNever(t *testing.T) {
	const frame = "apiVersion: meshrotate/v1\nkind: Deployment\nname: x\nhosts: {admin: a}\nsecrets: "
	for document, want := range map[string]string{
		frame + "{Mother-Key: {version: 1}}":     "nobody rotates that",
		frame + "{}\nmotherKey: {version: 1}":    "unknown key",
		frame + "{motherKeyring: {version: 1}}":  "unknown key",
		frame + "{voucher: {motherKey: secret}}": "unknown key",
	} {
		if _, err := testLoader(t).Load("x.yaml", []byte(document)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", document, err)
		}
	}
}

// TestSilences: a silence has a reason and a last day, and the record of the state has none.
func TestSilences(t *testing.T) {
	const frame = "apiVersion: meshrotate/v1\nkind: Deployment\nname: x\nhosts: {admin: a, relays: ['r[1..3]']}\nconnect: {winrm: {user: a, password: {env: A}}}\nsecrets: {}\npolicy: {silence: ["
	for silence, want := range map[string]string{
		`{finding: clock-skew, host: "r[1..2]", why: NTP is moved, until: "2026-12-31"}`: "",
		`{finding: clock-skew, why: NTP is moved, until: "2026-02-30"}`:                  "no such day",
		`{finding: clock-skew, why: NTP is moved, until: 2026-12-31}`:                    "write it in quotes",
		`{finding: clock-skew, why: NTP is moved, until: soon}`:                          "right form",
		`{finding: clock-skew, why: NTP is moved}`:                                       "until: is missing",
		`{finding: clock-skew, until: "2026-12-31"}`:                                     "why: is missing",
		`{finding: clock-skew, host: "r[2..1]", why: x, until: "2026-12-31"}`:            "silence[0].host",
		`{finding: clock-skew, host: "r[1..4]", why: x, until: "2026-12-31"}`:            "r4 is not one of the hosts",
		`{finding: clock-skew, host: A, why: x, until: "2026-12-31"}`:                    "",
		`{finding: state-new, why: x, until: "2026-12-31"}`:                              "cannot be silenced",
		`{finding: secret-compromised, why: x, until: "2026-12-31"}`:                     "cannot be silenced",
		`{finding: secret-compromised, host: gone, why: x, until: "2026-12-31"}`:         "",
	} {
		if _, err := testLoader(t).Load("x.yaml", []byte(frame+silence+"]}\n")); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error()+hints(err), want) {
			t.Errorf("%s: %v", silence, err)
		}
	}
}

func hints(err error) string {
	var all strings.Builder
	for _, p := range specs.Problems(err) {
		all.WriteString(p.Hint)
	}
	return all.String()
}
