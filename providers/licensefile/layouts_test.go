package licensefile_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/licensefile"
)

// What license files look like elsewhere, and what is read of them.
func TestLayouts(t *testing.T) {
	end := time.Date(2027, 11, 30, 0, 0, 0, 0, time.UTC)
	e := base64.StdEncoding.EncodeToString
	body := `{"customerName":"Contoso Ltd","tier":"Enterprise","expiresUtc":"2027-11-30T00:00:00Z"}`
	for _, c := range []struct {
		name, file, layout string
		customer, tier     string
		expires            time.Time
		precision          time.Duration
		never              bool
	}{
		{"flat JSON with a signature", `{"customer":"Contoso Ltd","edition":"Enterprise","expires":"2027-11-30","signature":"AAAA"}`, "json", "Contoso Ltd", "Enterprise", end, 38 * time.Hour, false},
		{"JSON of .NET's dates", `{"Licensee":"Contoso Ltd","Tier":3,"ExpiryDate":"2027-11-30T00:00:00"}`, "json", "Contoso Ltd", "3", end, 14 * time.Hour, false},
		{"snake case", `{"licensed_to":"Contoso Ltd","license_tier":"Enterprise","expiration_date":"2027-11-30T00:00:00+00:00"}`, "json", "Contoso Ltd", "Enterprise", end, 0, false},
		{"perpetual", `{"customer":"Contoso Ltd","tier":"Enterprise","expires":null}`, "json", "Contoso Ltd", "Enterprise", time.Time{}, 0, true},
		{"the end of .NET's calendar", `{"customer":"Contoso Ltd","tier":"Enterprise","expires":"9999-12-31T23:59:59.9999999"}`, "json", "Contoso Ltd", "Enterprise", time.Time{}, 0, true},
		{"epoch", `{"customer":"Contoso Ltd","tier":"Enterprise","exp":1827532800}`, "json", "Contoso Ltd", "Enterprise", end, 0, false},
		{"no end is named", `{"customer":"Contoso Ltd","tier":"Enterprise"}`, "json", "Contoso Ltd", "Enterprise", time.Time{}, 0, false},
		{"a payload in base64 beside its signature", `{"payload":"` + e([]byte(body)) + `","signature":"AAAA"}`, "envelope", "Contoso Ltd", "Enterprise", end, 0, false},
		{"a payload as text beside its signature", `{"data":` + quoted(body) + `,"sig":"AAAA"}`, "envelope", "Contoso Ltd", "Enterprise", end, 0, false},
		{"a payload as an object", `{"license":` + body + `,"signature":"AAAA"}`, "envelope", "Contoso Ltd", "Enterprise", end, 0, false},
		{"two lines", e([]byte(body)) + "\r\n" + e([]byte("signature")) + "\r\n", "lines", "Contoso Ltd", "Enterprise", end, 0, false},
		{"base64 of the whole, in lines", wrapped(e([]byte(e([]byte(body)) + "." + e([]byte("signature"))))), "dotted", "Contoso Ltd", "Enterprise", end, 0, false},
		{"armour around a file", "-----BEGIN LICENSE-----\n" + wrapped(e([]byte(e([]byte(body))+"."+e([]byte("signature"))))) + "\n-----END LICENSE-----\n", "dotted", "Contoso Ltd", "Enterprise", end, 0, false},
		{"armour around text", "-----BEGIN LICENSE-----\n" + e([]byte(body)) + "." + e([]byte("signature")) + "\n-----END LICENSE-----\n", "dotted", "Contoso Ltd", "Enterprise", end, 0, false},
		{"a trailing NUL", e([]byte(body)) + "." + e([]byte("signature")) + "\x00", "dotted", "Contoso Ltd", "Enterprise", end, 0, false},
		{"XML as Standard.Licensing writes it", `<License><Id>1</Id><Type>Standard</Type><Expiration>Tue, 30 Nov 2027 00:00:00 GMT</Expiration><Customer><Name>Contoso Ltd</Name><Email>a@b</Email></Customer><Signature>AAAA</Signature></License>`,
			"xml", "Contoso Ltd", "Standard", end, 0, false},
		{"XML as Rhino writes it", `<?xml version="1.0" encoding="utf-8"?><license id="1" expiration="2027-11-30T00:00:00.0000000" type="Standard"><name>Contoso Ltd</name><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignatureValue>AAAA</SignatureValue></Signature></license>`,
			"xml", "Contoso Ltd", "Standard", end, 14 * time.Hour, false},
		{"XML that .NET wrote into a string", `<?xml version="1.0" encoding="utf-16"?><License><Type>Standard</Type><Expiration>2027-11-30</Expiration><Customer><Name>Contoso Ltd</Name></Customer></License>`,
			"xml", "Contoso Ltd", "Standard", end, 38 * time.Hour, false},
		{"XML in Windows' own encoding", "<?xml version=\"1.0\" encoding=\"windows-1252\"?><License><Type>Standard</Type><Expiration>2027-11-30</Expiration><Customer><Name>M\xfcller</Name></Customer></License>",
			"opaque", "", "", time.Time{}, 0, false},
		{"objects in an object", `{"id":7,"customer":{"id":1,"name":"Contoso Ltd"},"product":{"name":"IdentityMesh","edition":"Enterprise"},"validity":{"not_before":"2026-11-30","not_after":"2027-11-30"},"signature":{"type":"RSA","value":"AAAA"}}`,
			"json", "Contoso Ltd", "Enterprise", end, 38 * time.Hour, false},
		{"PascalCase", `{"License":{"CustomerName":"Contoso Ltd","Tier":"Enterprise","ExpiresUtc":"2027-11-30T00:00:00Z"},"Signature":"AAAA"}`, "envelope", "Contoso Ltd", "Enterprise", end, 0, false},
		{"numbers as texts", `{"customer":"Contoso Ltd","tier":"3","exp":"1827532800"}`, "json", "Contoso Ltd", "3", end, 0, false},
		{"a payload of XML", e([]byte(`<License><Type>Standard</Type><Expiration>2027-11-30</Expiration><Customer><Name>Contoso Ltd</Name></Customer></License>`)) + "." + e([]byte("signature")), "dotted", "Contoso Ltd", "Standard", end, 38 * time.Hour, false},
		{"a payload behind a byte order mark", e([]byte("\ufeff"+body)) + "." + e([]byte("signature")), "dotted", "Contoso Ltd", "Enterprise", end, 0, false},
		{"a payload of bytes", e([]byte("\x08\x01\x12\x0bContoso Ltd")) + "." + e([]byte("signature")), "opaque", "", "", time.Time{}, 0, false},
		{"a payload of lines", e([]byte("Customer=Contoso Ltd\nTier=Enterprise\n")) + "." + e([]byte("signature")), "opaque", "", "", time.Time{}, 0, false},
		{"an encrypted payload in JSON", `{"data":"` + e([]byte("\x80\x81\x82")) + `","signature":"AAAA"}`, "opaque", "", "", time.Time{}, 0, false},
		{"PASETO", "v4.public." + e([]byte(body+"0123456789")), "opaque", "", "", time.Time{}, 0, false},
		{"JWE", "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d", "opaque", "", "", time.Time{}, 0, false},
		{"a key in groups", "ABCDE-12345-FGHIJ-67890", "opaque", "", "", time.Time{}, 0, false},
		{"a version and words", "v1.Contoso", "opaque", "", "", time.Time{}, 0, false},
		{"an object, and another behind it", body + "\n" + `{"signature":"AAAA"}`, "opaque", "", "", time.Time{}, 0, false},
		{"a list", "[" + body + "]", "opaque", "", "", time.Time{}, 0, false},
		{"bytes of somebody's own", "IMLIC\x00\x01\x02\x80\x81", "opaque", "", "", time.Time{}, 0, false},
		{"text of somebody's own", "Contoso Ltd; Enterprise; until 2027", "opaque", "", "", time.Time{}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := licensefile.Parse([]byte(c.file))
			if err != nil {
				t.Fatal(err)
			}
			if l.Layout != c.layout || l.Customer != c.customer || l.Tier != c.tier || !l.Expires.Equal(c.expires) || l.Precision != c.precision || l.Never != c.never {
				t.Errorf("%+v", l)
			}
		})
	}
	for name, file := range map[string]string{"JSON": body[:len(body)-3], "XML": "<License><Type>Standard", "a payload": e([]byte(body[:20])) + "." + e([]byte("signature"))} {
		if l, err := licensefile.Parse([]byte(file)); err == nil {
			t.Errorf("%s, cut short: %+v", name, l)
		}
	}
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func wrapped(s string) (lines string) {
	for len(s) > 64 {
		lines, s = lines+s[:64]+"\r\n", s[64:]
	}
	return lines + s
}

// What a signature is over, and with which padding, a token says itself, and of other files somebody must say it.
func TestSignatures(t *testing.T) {
	key := vendor(t)
	const body = `{"customerName":"c","tier":"t","expiresUtc":"2027-11-30T00:00:00Z"}`
	e, raw := base64.StdEncoding.EncodeToString, base64.RawURLEncoding.EncodeToString
	sign := func(over string, pss bool) []byte {
		h := sha256.Sum256([]byte(over))
		sig, err := key.Sign(rand.Reader, h[:], crypto.SHA256)
		if pss {
			sig, err = key.Sign(rand.Reader, h[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: crypto.SHA256})
		}
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	payload := e([]byte(body))
	token := func(alg string) string { return raw([]byte(`{"alg":"`+alg+`"}`)) + "." + raw([]byte(body)) }
	for _, c := range []struct {
		name, file string
		by         licensefile.Signature
		good       bool
	}{
		{"over the payload", payload + "." + e(sign(body, false)), licensefile.Signature{}, true},
		{"over its base64", payload + "." + e(sign(payload, false)), licensefile.Signature{Over: licensefile.Encoded}, true},
		{"over the other", payload + "." + e(sign(payload, false)), licensefile.Signature{}, false},
		{"PSS", payload + "." + e(sign(body, true)), licensefile.Signature{PSS: true}, true},
		{"PSS, not declared", payload + "." + e(sign(body, true)), licensefile.Signature{}, false},
		{"two lines", payload + "\n" + e(sign(body, false)), licensefile.Signature{}, true},
		{"envelope", `{"payload":"` + payload + `","signature":"` + e(sign(body, false)) + `"}`, licensefile.Signature{}, true},
		{"RS256", token("RS256") + "." + raw(sign(token("RS256"), false)), licensefile.Signature{PSS: true}, true},
		{"PS256", token("PS256") + "." + raw(sign(token("PS256"), true)), licensefile.Signature{}, true},
		{"none", token("none") + "." + raw(sign(token("none"), false)), licensefile.Signature{}, false},
		{"none, without a signature", token("none") + ".", licensefile.Signature{}, false},
	} {
		l, err := licensefile.Parse([]byte(c.file))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if err := l.Verify(&key.PublicKey, c.by); (err == nil) != c.good || errors.Is(err, licensefile.ErrNotCheckable) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, file := range []string{body, "<License><Type>t</Type></License>", "opaque!", `{"license":` + body + `,"signature":"AAAA"}`} {
		l, err := licensefile.Parse([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Verify(&key.PublicKey, licensefile.Signature{}); !errors.Is(err, licensefile.ErrNotCheckable) {
			t.Errorf("%s: %v", l.Layout, err)
		}
	}
}
