package connstring

import (
	"strings"
	"testing"

	"meshrotate/reconciler/secret"
)

func TestEveryEdit(t *testing.T) {
	set, refused, removals := 0, 0, 0
	for _, c := range lines[struct {
		ID, Text string
		Input    repeated
		OK       bool
		Edits    []struct {
			Op, Key string
			Value   *repeated
		}
		Set [][2]repeated
	}](t, "edits.jsonl.gz") {
		var edits []Edit
		for _, e := range c.Edits {
			if e.Value != nil {
				edits = append(edits, Edit{e.Key, secret.NewString(string(*e.Value))})
			}
		}
		if len(edits) < len(c.Edits) {
			removals++ // nothing here takes a keyword out
			continue
		}
		before, err := parse(string(c.Input))
		if err != nil {
			t.Errorf("%s %.80q: %v", c.ID, c.Input, err)
			continue
		}
		after, err := before.Set(edits...)
		if (err == nil) != c.OK {
			t.Errorf("%s %.80q: .NET says %v: %v", c.ID, c.Input, c.OK, err)
		}
		if err != nil {
			refused++
			continue
		}
		set++
		checkSet(t, c.ID, after, c.Set)
	}
	t.Logf("%d edited, %d refused, %d removals", set, refused, removals)
}

func TestEveryAppend(t *testing.T) {
	appended, refused := 0, 0
	for _, c := range lines[struct {
		ID, Keyword        string
		Text, Start, Value repeated
		OK                 bool
		ReadBack           *repeated `json:"read_back"`
	}](t, "appends.jsonl.gz") {
		before, err := parse(string(c.Start))
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
			continue
		}
		after, err := before.Set(Edit{c.Keyword, secret.NewString(string(c.Value))})
		known := known(lower(c.Keyword)) != ""
		long := utf16Len(string(c.Value)) > limit // which a connection would refuse
		if (err == nil) != (c.OK && known && !long) {
			t.Errorf("%s: .NET says %v: %v", c.ID, c.OK, err)
		}
		switch flawed := c.OK && (c.ReadBack == nil || *c.ReadBack != c.Value); {
		case err != nil && c.OK && !known: // not a keyword of SqlClient: the spelling is still the same
			var written strings.Builder
			written.WriteString(string(c.Start))
			if add(&written, c.Keyword, string(c.Value)); written.String() != string(c.Text) {
				t.Errorf("%s: %q, .NET writes %q", c.ID, written.String(), c.Text)
			}
		case err != nil:
			refused++
		case string(after.Get(c.Keyword).Expose()) != string(c.Value):
			t.Errorf("%s: %q is not read back", c.ID, c.Value)
		case !flawed && !strings.EqualFold(string(after.Text().Expose()), string(c.Text)):
			t.Errorf("%s: %q, .NET writes %q", c.ID, after.Text().Expose(), c.Text)
		default:
			appended++
		}
	}
	t.Logf("%d appended, %d refused", appended, refused)
}
