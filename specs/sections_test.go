package specs_test

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"meshrotate/specs"
	"meshrotate/specs/schemagen"
)

// voucherSpec and spareKeySpec are like the sections that the rotations bring. This package must not know those.
type voucherSpec struct {
	specs.Secret `json:",inline"`
	// Customer is who the voucher must be for.
	Customer string `json:"customer" jsonschema:"required,minLength=1"`
	// Tier is the lowest tier to accept.
	Tier string `json:"tier,omitempty" jsonschema:"enum=Standard,enum=Enterprise"`
	// PublicKey is a PEM file.
	PublicKey string `json:"publicKey,omitempty" jsonschema:"minLength=1"`
}

type spareKeySpec struct {
	specs.Secret `json:",inline"`
	// Bytes is the length of a generated key.
	Bytes int `json:"bytes,omitempty" jsonschema:"minimum=32,maximum=1024,default=32"`
	// Also are further consumers.
	Also []consumer `json:"also,omitempty"`
}

type consumer struct {
	// Host is where it runs.
	Host string `json:"host" jsonschema:"required,minLength=1"`
	// Key is the password to its store.
	Key *specs.Source `json:"key,omitempty"`
}

func testSections() []specs.Section {
	return []specs.Section{
		{Key: "voucher", New: func() any { return &voucherSpec{} }, Check: func(_ *specs.Deployment, spec any, report specs.Report) {
			if spec.(*voucherSpec).From.Generated {
				report("from", "a voucher cannot be generated", "write {file: PATH}")
			}
		}, Never: []specs.Never{{Keys: []string{"motherKey"}, Why: "nobody rotates that", Hint: "leave it out"}}},
		{Key: "spareKey", New: func() any { return &spareKeySpec{} }, Check: func(d *specs.Deployment, spec any, report specs.Report) {
			s := spec.(*spareKeySpec)
			if s.Bytes == 0 {
				s.Bytes = 32
			}
			if len(d.Relays()) == 0 {
				report("", "there are no relays", "")
			}
			for i := range s.Also {
				if s.Also[i].Key == nil {
					report("also/"+strconv.Itoa(i)+"/key", "is needed here", "")
				}
			}
		}},
	}
}

// testSchema is made once: reading every doc comment takes longer than a test.
var testSchema = sync.OnceValues(func() ([]byte, error) { return schemagen.Generate(testSections()) })

func testLoader(t testing.TB) specs.Loader {
	t.Helper()
	schema, err := testSchema()
	if err != nil {
		t.Fatal(err)
	}
	return specs.Loader{Sections: testSections(), Schema: schema}
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	return files
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func itoa(n int) string { return strconv.Itoa(n) }
