package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"meshrotate/reconciler/secret"
)

// holder has the value in an unexported field, where Format methods are not called.
type holder struct{ v secret.Value }

func TestNoPrinterShowsAValue(t *testing.T) {
	const canary = "CANARY-7f3a"
	v := secret.NewString(canary)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", v)
		fmt.Fprintf(&out, verb+"\n", &v)
		fmt.Fprintf(&out, verb+"\n", holder{v})
		fmt.Fprintf(&out, verb+"\n", []any{v, &holder{v}, map[string]secret.Value{"k": v}})
	}
	_ = json.NewEncoder(&out).Encode(map[string]any{"a": v, "b": &v})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v, "h", holder{v})
	_ = gob.NewEncoder(&out).Encode(v)
	fmt.Fprintln(&out, fmt.Errorf("wrapped: %v", v))
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), "67 65"} {
		if strings.Contains(out.String(), form) {
			t.Fatalf("a printer showed %q", form)
		}
	}
}

func TestEqual(t *testing.T) {
	a, b := secret.NewString("a"), secret.NewString("a")
	if !a.Equal(b) || a.Equal(secret.NewString("b")) {
		t.Fatal("Equal is wrong for set values")
	}
	var zero secret.Value
	if zero.Equal(zero) || zero.Equal(a) || !zero.IsZero() || secret.New(nil).IsZero() {
		t.Fatal("a zero value must equal nothing; an empty value is not zero")
	}
}

func TestExposeIsACopy(t *testing.T) {
	src := []byte("abc")
	v := secret.New(src)
	src[0] = 'x'
	got := v.Expose()
	got[1] = 'x'
	if string(v.Expose()) != "abc" {
		t.Fatal("a caller could change the value")
	}
}

func TestADocumentCannotBecomeASecret(t *testing.T) {
	var v secret.Value
	if err := json.Unmarshal([]byte(`"abc"`), &v); err == nil {
		t.Fatal("a document became a secret")
	}
}
