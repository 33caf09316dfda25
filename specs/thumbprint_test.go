package specs_test

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"meshrotate/specs"
)

// canonical is the thumbprint of the certificate that the cases were tried with.
const canonical = "32BAB7A65C068B9EB9242559514BBBFE9A07E5D9"

// TestThumbprints reads the forms that .NET's certificate store was asked about (X509Certificate2Collection.Find).
func TestThumbprints(t *testing.T) {
	f, err := os.Open("testdata/thumbprints.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	// What .NET finds and we refuse: it ignores whatever single character stands at the end.
	stricter := map[string]bool{"tp-052": true, "tp-064": true, "tp-068": true, "tp-082": true}
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var c struct {
			ID, What, Input string
			Found           bool
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		got, err := specs.ParseThumbprint(c.Input)
		switch {
		case err == nil && got != canonical && got != otherCertificate[c.ID]:
			t.Errorf("%s %s: read as %s", c.ID, c.What, got)
		case err != nil && c.Found != stricter[c.ID]:
			t.Errorf("%s %s: .NET found it: %v; refused: %v", c.ID, c.What, c.Found, err)
		case err != nil && len(c.Input) > 8 && strings.Contains(err.Error(), c.Input):
			t.Errorf("%s %s: the error repeats the input", c.ID, c.What)
		}
	}
	if n != 98 {
		t.Errorf("%d cases", n)
	}
}

// otherCertificate are forms of thumbprints that are another certificate's.
var otherCertificate = map[string]specs.Thumbprint{
	"tp-084": "A2BAB7A65C068B9EB9242559514BBBFE9A07E5D9",
	"tp-091": "9D5E70A9EFBBB4159552429BE9B860C56A7BAB23",
	"tp-095": "758447FB2F3E770FA11B08C4ABAAAE637485109E",
}

// TestThumbprintsInADocument loads thumbprints as people paste them, and says where a bad one stands.
func TestThumbprintsInADocument(t *testing.T) {
	type signing struct {
		Thumbprints []specs.Thumbprint `json:"thumbprints"`
	}
	section := specs.Section{Key: "signing", New: func() any { return &signing{} }, Check: func(*specs.Deployment, any, specs.Report) {}}
	load := func(thumbprint string) (*specs.Deployment, error) {
		doc := "apiVersion: meshrotate/v1\nkind: Deployment\nname: x\nhosts: {admin: a.example}\nsecrets:\n  signing:\n    thumbprints:\n      - \"" + thumbprint + "\"\n"
		schema := strings.Replace(string(specs.Schema()), `"additionalProperties": false`, `"additionalProperties": true`, -1)
		return specs.Loader{Sections: []specs.Section{section}, Schema: []byte(schema)}.Load("x.yaml", []byte(doc))
	}
	d, err := load("\u200e32 ba b7 a6 5c 06 8b 9e b9 24 25 59 51 4b bb fe 9a 07 e5 d9")
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Secrets["signing"].(*signing).Thumbprints[0]; got != canonical {
		t.Errorf("read as %q", got)
	}
	for reason, bad := range map[string]string{
		"one digit short":     "\u200e" + canonical[1:],
		"a SHA-256":           strings.Repeat("32BA", 16),
		"not hexadecimal":     "Z" + canonical[1:],
		"nothing but a mark":  "\u200e",
		"two in one":          canonical + canonical,
		"a letter O for zero": strings.ReplaceAll(canonical, "0", "O"),
	} {
		if _, err := load(bad); err == nil || !strings.Contains(err.Error(), "x.yaml:") || !strings.Contains(err.Error(), "thumbprint") {
			t.Errorf("%s: %v", reason, err)
		}
	}
}
