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
			"xml", "Contoso Ltd", "", end, 0, false},
		{"and with an attribute of its vendor's", `<License><Type>Trial</Type><Expiration>Tue, 30 Nov 2027 00:00:00 GMT</Expiration><LicenseAttributes><Attribute name="Seats">5</Attribute><Attribute name="Tier">Enterprise</Attribute></LicenseAttributes><Customer><Name>Contoso Ltd</Name></Customer></License>`,
			"xml", "Contoso Ltd", "Enterprise", end, 0, false},
		{"armour around JSON in lines", "-----BEGIN LICENSE-----\nVersion: 1\n\n{\n  \"customer\": \"Contoso Ltd\",\n  \"tier\": \"Enterprise\",\n  \"expires\": \"2027-11-30T00:00:00Z\"\n}\n-----END LICENSE-----\n", "json", "Contoso Ltd", "Enterprise", end, 0, false},
		{"a serial called license", `{"license":"ABCD-1234","customer":"Contoso Ltd","tier":"Enterprise","expires":"2027-11-30T00:00:00Z"}`, "json", "Contoso Ltd", "Enterprise", end, 0, false},
		{"a type is no tier, in whatever it stands", `{"customer":"c","type":"Subscription","expires":"2027-11-30T00:00:00Z"}`, "json", "c", "", end, 0, false},
		{"the license's own name", `{"name":"IdentityMesh License","owner":"Contoso Ltd","tier":"t","expires":"2027-11-30T00:00:00Z"}`, "json", "Contoso Ltd", "t", end, 0, false},
		{"and nobody else's", `{"name":"IdentityMesh Enterprise","tier":"t","expires":"2027-11-30T00:00:00Z"}`, "json", "", "t", end, 0, false},
		{"a name alone", `{"name":"Contoso Ltd","tier":"t","expires":"2027-11-30T00:00:00Z"}`, "json", "Contoso Ltd", "t", end, 0, false},
		{"a module's end", `{"customer":"c","tier":"t","validUntil":"2027-11-30T00:00:00Z","modules":{"sap":{"expires":"2026-01-01T00:00:00Z"}}}`, "json", "c", "t", end, 0, false},
		{"a later end of a part, by a name that is looked for first", `{"customer":"c","tier":"t","validUntil":"2027-11-30T00:00:00Z","extra":{"expires":"2029-01-01T00:00:00Z"}}`, "json", "c", "t", end, 0, false},
		{"the end of maintenance alone", `{"customer":"c","tier":"t","maintenance":{"expires":"2026-01-01T00:00:00Z"}}`, "json", "c", "t", time.Time{}, 0, false},
		{"a day without a dash", `{"customer":"c","tier":"t","expires":"20271130"}`, "json", "c", "t", end, 38 * time.Hour, false},
		{"a month in words", `{"customer":"c","tier":"t","expires":"30 November 2027"}`, "json", "c", "t", end, 38 * time.Hour, false},
		{"dots between", `{"customer":"c","tier":"t","expires":"30.11.2027"}`, "json", "c", "t", end, 38 * time.Hour, false},
		{"slashes, of which nobody knows what they mean", `{"customer":"c","tier":"t","expires":"11/10/2027"}`, "json", "c", "t", time.Time{}, 0, false},
		{"XML as Rhino writes it", `<?xml version="1.0" encoding="utf-8"?><license id="1" expiration="2027-11-30T00:00:00.0000000" type="Standard"><name>Contoso Ltd</name><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignatureValue>AAAA</SignatureValue></Signature></license>`,
			"xml", "Contoso Ltd", "", end, 14 * time.Hour, false},
		{"XML that .NET wrote into a string", `<?xml version="1.0" encoding="utf-16"?><License><Type>Standard</Type><Expiration>2027-11-30</Expiration><Customer><Name>Contoso Ltd</Name></Customer></License>`,
			"xml", "Contoso Ltd", "", end, 38 * time.Hour, false},
		{"XML in Windows' own encoding", "<?xml version=\"1.0\" encoding=\"windows-1252\"?><License><Type>Standard</Type><Expiration>2027-11-30</Expiration><Customer><Name>M\xfcller</Name></Customer></License>",
			"opaque", "", "", time.Time{}, 0, false},
		{"objects in an object", `{"id":7,"customer":{"id":1,"name":"Contoso Ltd"},"product":{"name":"IdentityMesh","edition":"Enterprise"},"validity":{"not_before":"2026-11-30","not_after":"2027-11-30"},"signature":{"type":"RSA","value":"AAAA"}}`,
			"json", "Contoso Ltd", "Enterprise", end, 38 * time.Hour, false},
		{"PascalCase", `{"License":{"CustomerName":"Contoso Ltd","Tier":"Enterprise","ExpiresUtc":"2027-11-30T00:00:00Z"},"Signature":"AAAA"}`, "envelope", "Contoso Ltd", "Enterprise", end, 0, false},
		{"numbers as texts", `{"customer":"Contoso Ltd","tier":"3","exp":"1827532800"}`, "json", "Contoso Ltd", "3", end, 0, false},
		{"a payload of XML", e([]byte(`<License><Type>Standard</Type><Expiration>2027-11-30</Expiration><Customer><Name>Contoso Ltd</Name></Customer></License>`)) + "." + e([]byte("signature")), "dotted", "Contoso Ltd", "", end, 38 * time.Hour, false},
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
		{"a GUID", "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}-AAAA", "opaque", "", "", time.Time{}, 0, false},
		{"a prefix in braces", "{RSA-SHA256}" + e([]byte(body)), "opaque", "", "", time.Time{}, 0, false},
		{"armour of brackets", "<<<BEGIN LICENSE>>>\n" + e([]byte(body)) + "\n<<<END LICENSE>>>", "opaque", "", "", time.Time{}, 0, false},
		{"a key in brackets", "<" + strings.TrimRight(e([]byte(body)), "=") + ">", "opaque", "", "", time.Time{}, 0, false},
		{"XML 1.1", `<?xml version="1.1"?><License><Customer>Contoso Ltd</Customer></License>`, "opaque", "", "", time.Time{}, 0, false},
		{"XML with an entity of its own", `<!DOCTYPE l [<!ENTITY c "Contoso Ltd">]><License><Customer>&c;</Customer></License>`, "opaque", "", "", time.Time{}, 0, false},
		{"XML in an encoding of the vendor's", `<?xml version="1.0" encoding="x-vendor"?><License><Customer>c</Customer></License>`, "opaque", "", "", time.Time{}, 0, false},
		{"JSON with comments", "{ // the vendor's: \"x\", {\n \"customer\": \"Contoso Ltd\", /* , } */ \"tier\":\"Enterprise\"}", "json", "Contoso Ltd", "Enterprise", time.Time{}, 0, false},
		{"JSON with a comma too many", `{"customer":"Contoso, Ltd","tags":["a",],"tier":"//\"",}`, "json", "Contoso, Ltd", `//"`, time.Time{}, 0, false},
		{"what looks like JSON", `{'customer':'Contoso Ltd'}`, "opaque", "", "", time.Time{}, 0, false},
		{"a signature with its kind", `{"license":"` + e([]byte(body)) + `","signature":"ed25519:AAAA"}`, "envelope", "Contoso Ltd", "Enterprise", end, 0, false},
		{"a signature with a prefix", e([]byte(body)) + ".sha256:AAAA", "opaque", "", "", time.Time{}, 0, false},
		{"SD-JWT", "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(body)) + ".c2ln~WyJh~", "opaque", "", "", time.Time{}, 0, false},
		{"UTF-16, the larger byte first, without a mark", "\x00{\x00\"\x00t\x00i\x00e\x00r\x00\"\x00:\x001\x00}", "json", "", "1", time.Time{}, 0, false},
		{".NET's ticks", `{"customer":"c","tier":"t","expires":639631296000000000}`, "json", "c", "t", end, 0, false},
		{"the last of .NET's ticks", `{"customer":"c","tier":"t","expires":3155378975999999999}`, "json", "c", "t", time.Time{}, 0, true},
		{"a FILETIME", `{"customer":"c","tier":"t","expires":134720064000000000}`, "json", "c", "t", end, 0, false},
		{"microseconds", `{"customer":"c","tier":"t","expires":1827532800000000}`, "json", "c", "t", end, 0, false},
		{"nanoseconds", `{"customer":"c","tier":"t","expires":"1827532800000000000"}`, "json", "c", "t", end, 0, false},
		{"milliseconds of the end of .NET's calendar", `{"customer":"c","tier":"t","expires":253402300799999}`, "json", "c", "t", time.Time{}, 0, true},
		{"a number that is no moment", `{"customer":"c","tier":"t","expires":123456}`, "json", "c", "t", time.Time{}, 0, false},
		{"zero", `{"customer":"c","tier":"t","expires":0}`, "json", "c", "t", time.Time{}, 0, false},
		{"text of somebody's own", "Contoso Ltd; Enterprise; until 2027", "opaque", "", "", time.Time{}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := licensefile.Parse([]byte(c.file))
			if err != nil {
				t.Fatal(err)
			}
			if unread := strings.HasPrefix(c.name, "slashes") || strings.Contains(c.name, "no moment") || c.name == "zero"; unread != (l.UnreadEnd != "") {
				t.Errorf("of its end is not read %q", l.UnreadEnd)
			}
			if l.Layout != c.layout || l.Customer != c.customer || l.Tier != c.tier || !l.Expires.Equal(c.expires) || l.Precision != c.precision || l.Never != c.never {
				t.Errorf("%+v", l)
			}
		})
	}
	for name, file := range map[string]string{"JSON": body[:len(body)-3], "XML": "<License><Type>Standard", "a payload": e([]byte(body[:20])) + "." + e([]byte("signature")),
		"a signature": e([]byte(body)) + ".AAAAA"} {
		if l, err := licensefile.Parse([]byte(file)); err == nil {
			t.Errorf("%s, cut short: %+v", name, l)
		}
	}
}

// What no product reads is refused, whatever is declared of its layout.
// When a license begins, and that it is withdrawn, count where it says so of itself.
func TestStanding(t *testing.T) {
	june := time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)
	e := base64.StdEncoding.EncodeToString
	for _, c := range []struct {
		file      string
		begins    time.Time
		within    time.Duration
		withdrawn string
	}{
		{e([]byte(`{"customer":"c","notBefore":"2027-06-01T00:00:00Z"}`)) + "." + e([]byte("signature")), june, 0, ""},
		{e([]byte(`{"alg":"RS256"}`)) + "." + e([]byte(`{"customer":"c","nbf":1811808000}`)) + ".AAAA", june, 0, ""},
		{`{"customer":"c","valid_from":"2027-06-01"}`, june, 14 * time.Hour, ""},
		{`{"customer":"c","startDate":"2027-06-01T00:00:00"}`, june, 14 * time.Hour, ""},
		{`{"customer":"c","validity":{"notBefore":"2027-06-01T00:00:00Z"}}`, june, 0, ""},
		{`{"license":{"customer":"c","validFrom":"2027-06-01T00:00:00Z"}}`, june, 0, ""},
		{`<License><Customer>c</Customer><NotBefore>2027-06-01T00:00:00Z</NotBefore></License>`, june, 0, ""},
		{`<License status="Revoked"><Customer>c</Customer><Validity notBefore="2027-06-01T00:00:00Z"/></License>`, june, 0, `status = "Revoked"`},
		{`{"customer":"c","Status":"suspended"}`, time.Time{}, 0, `status = "suspended"`},
		{`{"customer":"c","revoked":true}`, time.Time{}, 0, "revoked = true"},
		{`{"customer":"c","startDate":"06/01/2027","status":"active","state":"CA","revoked":false,"suspended":null}`, time.Time{}, 0, ""},
		{`{"customer":"c","notBefore":null,"validFrom":"soon"}`, time.Time{}, 0, ""},
		{`{"customer":{"name":"c","status":"suspended"},"maintenance":{"startDate":"2027-06-01"},"features":[{"status":"revoked"}]}`, time.Time{}, 0, ""},
		{`<License><Customer>c</Customer><Feature name="x" status="revoked"><StartDate>2027-06-01</StartDate></Feature></License>`, time.Time{}, 0, ""},
	} {
		l, err := licensefile.Parse([]byte(c.file))
		if err != nil || !l.Begins.Equal(c.begins) || l.BeginsWithin != c.within || l.Withdrawn != c.withdrawn || l.Customer != "c" {
			t.Errorf("%s: %v %+v", c.file, err, l)
		}
	}
}

func TestWhatIsNoLicense(t *testing.T) {
	for name, file := range map[string]string{
		"nothing": "", "blanks": " \r\n", "NULs": "\x00\x00\x00", "a web page": "<!DOCTYPE html>\n<html><body>Sign in<br></body></html>", "one without its kind": "\n<HTML lang=\"en\"><body>",
		"one behind a comment": "<!-- a\nb --><html>", "XHTML": `<?xml version="1.0"?><html xmlns="x">`, "Git LFS": "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n",
		"git-annex": "/annex/objects/SHA256E-s12--aa", "Ansible Vault": "$ANSIBLE_VAULT;1.1;AES256\n6162", "age": "-----BEGIN AGE ENCRYPTED FILE-----\nYQ==\n-----END AGE ENCRYPTED FILE-----",
		"SOPS": `{"data":"ENC[AES256_GCM,data:a,iv:b]","sops":{"version":"3.8"}}`, "a key vault's reference": "@Microsoft.KeyVault(SecretUri=https://x)",
		"a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----", "a placeholder": "<license goes here>",
		"an error": `{"error":"unauthorized","message":"token expired"}`, "several": "{\n  \"errors\": [{\"code\": \"DENIED\"}]}", "a problem": `{"type":"about:blank","title":"Not Found","status":404,"traceId":"00-a"}`,
		"a code": `{"code":"Unauthorized","message":"no"}`, "a message": `{"message":"Not Found"}`, "S3": `<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>`,
	} {
		for _, parse := range []func([]byte) (*licensefile.License, error){licensefile.Parse, licensefile.ParseOpaque} {
			if l, err := parse([]byte(file)); err == nil {
				t.Errorf("%s: %+v", name, l)
			}
		}
	}
	for _, file := range []string{`{"cut`, "<License><Type>x", "<htmlLicense a='1'/>", "x", `{"type":"standard","sig":"AA=="}`, `{"code":"AA-BB-CC"}`, `{"code":"AA-BB-CC","customer":"c"}`, "<ErrorFreeLicense/>"} {
		if l, err := licensefile.ParseOpaque([]byte(file)); err != nil || !l.Opaque() {
			t.Errorf("%s: %v", file, err)
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
		otherwise  bool // it is by the key, and made in another way than is said
	}{
		{"over the payload", payload + "." + e(sign(body, false)), licensefile.Signature{}, true, false},
		{"over its base64", payload + "." + e(sign(payload, false)), licensefile.Signature{Over: licensefile.Encoded}, true, false},
		{"over the other", payload + "." + e(sign(payload, false)), licensefile.Signature{}, false, true},
		{"PSS", payload + "." + e(sign(body, true)), licensefile.Signature{PSS: true}, true, false},
		{"PSS, not declared", payload + "." + e(sign(body, true)), licensefile.Signature{}, false, true},
		{"two lines", payload + "\n" + e(sign(body, false)), licensefile.Signature{}, true, false},
		{"envelope", `{"payload":"` + payload + `","signature":"` + e(sign(body, false)) + `"}`, licensefile.Signature{}, true, false},
		{"RS256", token("RS256") + "." + raw(sign(token("RS256"), false)), licensefile.Signature{PSS: true}, true, false},
		{"PS256", token("PS256") + "." + raw(sign(token("PS256"), true)), licensefile.Signature{}, true, false},
		{"none", token("none") + "." + raw(sign(token("none"), false)), licensefile.Signature{}, false, false},
		{"none, without a signature", token("none") + ".", licensefile.Signature{}, false, false},
	} {
		l, err := licensefile.Parse([]byte(c.file))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if err := l.Verify(&key.PublicKey, c.by); (err == nil) != c.good || errors.Is(err, licensefile.ErrNotCheckable) != c.otherwise {
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

// What stands in an element about something else, be it a feature, support, what went before or the signature, is not the license's own. It is
// read as an object of JSON is; what two elements say otherwise, none of them being nearer, is not known.
func TestEndsOfParts(t *testing.T) {
	const end = "2027-12-05"
	for reason, c := range map[string]struct{ file, customer, end string }{
		"a feature that ends later":      {`<License><Customer>c</Customer><Features><Feature name="Sync" expires="2031-01-01"/></Features><Expiration>2027-12-05</Expiration></License>`, "c", end},
		"a feature that has ended":       {`<License><Customer>c</Customer><Features><Feature name="Sync" expires="2025-01-01"/></Features><Expiration>2027-12-05</Expiration></License>`, "c", end},
		"support that has ended":         {`<License><Customer>c</Customer><Support><Expires>2025-01-01</Expires></Support><Expires>2027-12-05</Expires></License>`, "c", end},
		"what went before":               {`<License><Customer>c</Customer><Previous><Expires>2025-01-01</Expires></Previous><Expires>2027-12-05</Expires></License>`, "c", end},
		"a certificate in the signature": {`<License><Customer>c</Customer><Expires>2027-12-05</Expires><Signature><KeyInfo><NotAfter>2025-01-01</NotAfter></KeyInfo></Signature></License>`, "c", end},
		"a reseller":                     {`<License><Reseller><Name>Fabrikam</Name><Customer>Fabrikam</Customer></Reseller><Customer>c</Customer><Expires>2027-12-05</Expires></License>`, "c", end},
		"an end of the features alone":   {`<License><Customer>c</Customer><Features><Feature name="Sync" expires="2031-01-01"/></Features></License>`, "c", ""},
		"features that say nothing":      {`<License><Customer>c</Customer><Features><Feature name="Sync">true</Feature><Feature name="Rooms">false</Feature></Features><Expires>2027-12-05</Expires></License>`, "c", end},
		"JSON, a certificate":            {`{"customer":"c","expiresOn":"2027-12-05","certificate":{"notAfter":"2031-01-01"}}`, "c", end},
		"JSON, days of grace":            {`{"customer":"c","endDate":"2027-12-05","grace":{"expires":"2031-01-01"}}`, "c", end},
		"JSON, a signer alone":           {`{"customer":"c","signer":{"validTo":"2031-01-01"}}`, "c", ""},
		"two ends":                       {`<License><Customer>c</Customer><Expires>2025-01-01</Expires><Expires>2027-12-05</Expires></License>`, "c", ""},
		"the same twice":                 {`<License expires="2027-12-05"><Customer>c</Customer><Expires>2027-12-05</Expires></License>`, "c", end},
		"a text beside an attribute":     {`<License><Customer id="5">c</Customer><Expires zone="UTC">2027-12-05</Expires></License>`, "c", end},
		"its validity":                   {`<License><Customer><Name>c</Name></Customer><Validity from="2020-01-01" validTo="2027-12-05"/></License>`, "c", end},
	} {
		l, err := licensefile.Parse([]byte(c.file))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if !l.Expires.IsZero() {
			got = l.Expires.Format(time.DateOnly)
		}
		if l.Customer != c.customer || got != c.end {
			t.Errorf("%s: %q until %q", reason, l.Customer, got)
		}
	}
}
