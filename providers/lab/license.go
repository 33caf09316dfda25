package lab

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"meshrotate/providers/licensefile"
)

// LicenseShapes are the ways in which the lab's vendor writes license files: nobody knows the one of the real product.
var LicenseShapes = []string{"dotted", "jwt", "lines", "envelope", "json", "xml", "rhino", "pem", "base64", "nul", "utf16", "date", "us-date", "zoneless", "perpetual", "end-of-time", "number", "nested", "owner", "payload-xml", "opaque"}

// american is a date that only its writer can read for sure.
const american = "01/02/2006"

// tiers are the product's enumeration.
var tiers = []string{"Community", "Standard", "Professional", Tier}

// License makes a license file signed by the lab's vendor.
func (l *Lab) License(lic licensefile.License) ([]byte, error) {
	return licensefile.Sign(lic, l.license)
}

// opaque begins a file that only the lab's product reads.
const opaque = "IMLK1:"

// LicenseAs makes one in another shape.
func (l *Lab) LicenseAs(shape string, lic licensefile.License) ([]byte, error) {
	if !slices.Contains(LicenseShapes, shape) {
		return nil, fmt.Errorf("there is no license shape %q: %s", shape, strings.Join(LicenseShapes, ", "))
	}
	says := map[string]any{"customerName": lic.Customer, "tier": lic.Tier, "expiresUtc": lic.Expires.UTC().Format(time.RFC3339),
		"serial": lic.Expires.Unix()} // two perpetual ones are two files
	switch shape {
	case "date":
		says["expiresUtc"] = lic.Expires.UTC().Format(time.DateOnly)
	case "us-date":
		says["expiresUtc"] = lic.Expires.UTC().Format(american)
	case "zoneless":
		says["expiresUtc"] = lic.Expires.UTC().Format("2006-01-02T15:04:05")
	case "perpetual":
		says["expiresUtc"] = nil
	case "end-of-time":
		says["expiresUtc"] = "9999-12-31T23:59:59.9999999"
	case "number":
		says["tier"] = slices.Index(tiers, lic.Tier)
	}
	if shape == "nested" {
		says = map[string]any{"id": lic.Expires.Unix(), "customer": map[string]any{"id": 7, "name": lic.Customer},
			"product": map[string]any{"name": "IdentityMesh", "edition": lic.Tier}, "validity": map[string]any{"not_after": says["expiresUtc"]}}
	}
	if shape == "owner" {
		says["type"], says["name"], says["owner"] = "Subscription", "IdentityMesh License", lic.Customer
		delete(says, "customerName")
	}
	body, err := json.Marshal(says)
	if shape == "payload-xml" {
		body = fmt.Appendf(nil, "<License><Tier>%s</Tier><Expiration>%s</Expiration><Customer><Name>%s</Name></Customer></License>",
			lic.Tier, lic.Expires.UTC().Format(time.RFC3339), lic.Customer)
	}
	if err != nil {
		return nil, err
	}
	sign := func(b []byte) string {
		var sig []byte
		sig, err = signed(l.license, b)
		return base64.StdEncoding.EncodeToString(sig)
	}
	payload := base64.StdEncoding.EncodeToString(body)
	text := payload + "." + sign(body)
	switch shape {
	case "jwt":
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
		text = head + "." + strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(sign([]byte(head)))
	case "lines":
		text = payload + "\r\n" + sign(body)
	case "envelope":
		text = fmt.Sprintf(`{"payload":%q,"signature":%q}`, payload, sign(body))
	case "json":
		text = fmt.Sprintf(`{"customerName":%q,"tier":%q,"expiresUtc":%q,"signature":%q}`, lic.Customer, lic.Tier, says["expiresUtc"], sign(body))
	case "xml":
		text = fmt.Sprintf("<License><Id>7</Id><Type>Standard</Type><Expiration>%s</Expiration><LicenseAttributes><Attribute name=\"Tier\">%s</Attribute></LicenseAttributes><Customer><Name>%s</Name></Customer><Signature>%s</Signature></License>",
			lic.Expires.UTC().Format(time.RFC1123), lic.Tier, lic.Customer, sign(body))
	case "rhino":
		text = fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?><license id="7" expiration="%s" type="Standard" tier="%s"><name>%s</name><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignatureValue>%s</SignatureValue></Signature></license>`,
			lic.Expires.UTC().Format("2006-01-02T15:04:05.0000000"), lic.Tier, lic.Customer, sign(body))
	case "pem":
		text = string(pem.EncodeToMemory(&pem.Block{Type: "LICENSE", Bytes: []byte(text)}))
	case "base64":
		text = base64.StdEncoding.EncodeToString([]byte(text))
	case "nul":
		text += "\x00\x00"
	case "utf16":
		b := []byte{0xff, 0xfe}
		for _, u := range utf16.Encode([]rune(text)) {
			b = append(b, byte(u), byte(u>>8))
		}
		text = string(b)
	case "opaque":
		text = opaque + hex.EncodeToString(body)
	}
	return []byte(text), err
}

// readLicense is what the license provider makes of the file: nil for none, or for one that is not the vendor's.
func (l *Lab) readLicense(h *Host) *licensefile.License {
	b, _, err := h.Machine.FS.Read(LicenseFile)
	if err != nil {
		return nil
	}
	if rest, ours := bytes.CutPrefix(b, []byte(opaque)); ours { // no other reader knows that this is hexadecimal
		body, err := hex.DecodeString(string(rest))
		if err != nil {
			return nil
		}
		b = body
	}
	lic, err := licensefile.Parse(b)
	if err != nil || lic.Opaque() {
		return nil
	}
	if err := lic.Verify(&l.license.PublicKey, licensefile.Signature{}); err != nil && !errors.Is(err, licensefile.ErrNotCheckable) {
		return nil
	}
	if _, text, odd := strings.Cut(lic.UnreadEnd, " = "); odd {
		if lic.Expires, err = time.Parse(american, strings.Trim(text, `"`)); err != nil {
			return nil
		}
	}
	return lic
}

// served is a license as the Admin API tells it.
func served(lic *licensefile.License) map[string]any {
	if lic == nil {
		return map[string]any{"tier": "Unlicensed", "customerName": "", "expiresUtc": nil}
	}
	var expires any = lic.Expires.UTC()
	if lic.Never {
		expires = nil
	}
	tier := lic.Tier
	if n, err := strconv.Atoi(tier); err == nil && n >= 0 && n < len(tiers) {
		tier = tiers[n]
	}
	return map[string]any{"tier": tier, "customerName": lic.Customer, "expiresUtc": expires}
}

// signatures are those that were made: the same key signs the same text in the same way, and thousands of labs have the same licenses.
var signatures sync.Map

func signed(key *rsa.PrivateKey, text []byte) ([]byte, error) {
	type of struct {
		key  *rsa.PrivateKey
		hash [sha256.Size]byte
	}
	what := of{key, sha256.Sum256(text)}
	if sig, ok := signatures.Load(what); ok {
		return sig.([]byte), nil
	}
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, what.hash[:])
	if err == nil {
		signatures.Store(what, sig)
	}
	return sig, err
}
