package values_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
)

func TestOdd(t *testing.T) {
	for text, why := range map[string]string{
		"<html><head><title>Sign in</title></head></html>": "web page",
		"<!DOCTYPE html>p4ss":                              "web page",
		"No value found at secret/data/p4ss":               "no value to give",
		"/bin/sh: 1: vault: not found p4ss":                "no value to give",
		"az: command not found p4ss":                       "no value to give",
		"Get-Secret: p4ss was not found":                   "no value to give",
		"Unable to get secret p4ss":                        "no value to give",
		"fatal: p4ss":                                      "no value to give",
		"ResourceNotFoundException: p4ss":                  "no value to give",
		"((relay-key))":                                    "placeholder",
		"[[relay_key]]":                                    "placeholder",
		"$[variables.RelayKey]":                            "placeholder",
		"%%KEY%%":                                          "placeholder",
		"<<RELAY_KEY>>":                                    "placeholder",
		"__relay_key__":                                    "placeholder",
		"@RelayKey@":                                       "placeholder",
		"{relay_key}":                                      "placeholder",
		"p4ss-${KEY}":                                      "placeholder",
		"{{key}}-p4ss":                                     "placeholder",
		"!Ref RelayKey":                                    "refers",
		"var.relay_key":                                    "refers",
		"kv/data/relay#key":                                "refers",
		"Relay__ApiKey":                                    "refers",
		"N/A":                                              "placeholder",
		"password":                                         "placeholder",
		"not set":                                          "placeholder",
		"p4ss\\r\\n":                                       "escapes it",
		"p4ss&amp;w0rd":                                    "escapes it",
		"p4ss\u3164":                                       "U+3164",
		"p4ss\u2800w0rd":                                   "U+2800",
		"p4ss\ufe0f":                                       "U+FE0F",
		" p4ssw0rd!":                                       "blank",
		"p4ssw0rd!\t":                                      "blank",
		"p4ssw0rd!\u00a0":                                  "blank",
		"p4ss\u00a0w0rd!":                                  "U+00A0",
		"p4ss\u200bw0rd!":                                  "U+200B",
		"\ufeffp4ssw0rd!":                                  "U+FEFF",
		"p4ss\nw0rd!":                                      "more than one line",
		"p4ss\rw0rd!":                                      "more than one line",
		"p4ss\x00w0rd!":                                    "U+0000",
		"p4ss\x1bw0rd!":                                    "U+001B",
		"p4ss\xffw0rd!":                                    "UTF-8",
		`"p4ssw0rd!"`:                                      "quotes",
		`'p4ssw0rd!'`:                                      "quotes",
		"“p4ssw0rd!”":                                      "quotes",
		"${{ secrets.SQL_PASSWORD }}":                      "placeholder",
		"$(SqlPassword)":                                   "placeholder",
		"${SQL_PASSWORD}":                                  "placeholder",
		"%SQL_PASSWORD%":                                   "placeholder",
		"{{ .Values.password }}":                           "placeholder",
		"<new-password>":                                   "placeholder",
		"__RELAY_KEY__":                                    "placeholder",
		"@@RELAY_KEY@@":                                    "placeholder",
		"REPLACE-WITH-p4ss":                                "placeholder",
		`\"p4ssw0rd!\"`:                                    "quotes",
		"Bearer p4ssw0rd":                                  "before it",
		"ApiKey=p4ssw0rd":                                  "before it",
		"abababababababab":                                 "repeated",
		"p4ss****":                                         "hidden",
		"••••w0rd":                                         "hidden",
		"p4ssw0rd....":                                     "hidden",
		"ENC(p4ss)":                                        "refers",
		"p4ssw0rdp4ssw0rdp4ssw0rd%3D":                      "escapes it",
		"p4ssw0rd\\u003d":                                  "escapes it",
		"xyzxyzxyzxy":                                      "repeated",
		"[your key here]":                                  "placeholder",
		"ChangeMe!":                                        "placeholder",
		"#{Octopus.RelayKey}":                              "placeholder",
		"TODO: ask Operations for a p4ss":                  "placeholder",
		"change_me before the first p4ss":                  "placeholder",
		"your_relay_api_key_here":                          "placeholder",
		"arn:aws:secretsmanager:eu-1:7:p4ss":               "refers",
		"vault:secret/data/p4ss#key":                       "refers",
		"/run/secrets/p4ss":                                "refers",
		"vault:v1:p4ss3WHDOjf7mq69CyCqYjB=":                "refers",
		"dpapi:p4ss3WHDOjf7mq69CyCqYjB=":                   "refers",
		"{cipher}p4ss3WHDOjf7mq69CyCqYjB":                  "refers",
		"AQAAANCMnd8BFdERjHoAwEp4ss":                       "refers",
		"[object Object]p4ss":                              "prints of an object",
		"your-256-bit-secret":                              "placeholder",
		"your-relay-api-key-goes-here-please-1":            "placeholder",
		"your-relay-key-here-your-relay-key-here-1":        "placeholder",
		"*** *** *** ***":                                  "one character",
		"••••-••••-••••":                                   "one character",
		"0000-0000-0000":                                   "one character",
		"Microsoft.Azure.KeyVault.PSSecret.Value.x":        "prints of an object",
		"System.Security.SecureString":                     "prints of an object",
		"System.Byte[]":                                    "prints of an object",
		"System.Collections.Generic.List`1[System.String]":                         "prints of an object",
		"java.lang.String@1b2c3d":                                                  "prints of an object",
		"@{Value=p4ss}":                                                            "prints of an object",
		"-----BEGIN PRIVATE KEY----- MIIEp4ss -----END PRIVATE KEY-----":           "PEM",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIEp4ss\n-----END RSA PRIVATE KEY-----": "PEM",
		"ENC[AES256_GCM,data:p4ss,type:str]":                                       "refers",
		"version https://git-lfs.github.com/spec/v1\noid sha256:p4ss":              "refers",
		"change-me-123":                      "placeholder",
		"TODO":                               "placeholder",
		"TODO-TODO-TODO-TODO-TODO-TODO-TODO": "placeholder",
		"@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k/1)": "refers",
		"secret://prod/relay-key":                  "refers",
		"op://Prod/relay/key":                      "refers",
		"$RELAY_KEY_PROD_2027":                     "refers",
		"$env:RELAY_KEY":                           "refers",
		"Relay__ApiKey=c2VjcmV0LXA0c3M=":           "refers",
		"$ANSIBLE_VAULT;1.1;AES256\n6161p4ss\n":    "blank",
		"$ANSIBLE_VAULT;1.1;AES256\n6161p4ss":      "refers",
		"age-encryption.org/v1\n-> X25519 p4ss":    "refers",
		"#{Mesh.P4ss.Production}#":                 "placeholder",
		"${MESH_P4SS}-and-more-p4ss":               "placeholder",
		"#{Mesh.P4ss}/more-p4ss":                   "placeholder",
		"[REDACTED]p4ss":                           "placeholder",
		"insert-the-value-here-p4ss":               "placeholder",
		"example-value-p4ss":                       "placeholder",
		"!secret p4ss":                             "refers",
		"secretref:p4ss":                           "refers",
		"projects/1/secrets/p4ss/versions/latest":  "refers",
		"projects/1/secrets/p4ss":                  "refers",
		"error: secret p4ss not found (404)":       "no value to give",
		"Error: p4ss":                              "no value to give",
		"Access denied. Caller p4ss was not found": "no value to give",
		"Access is denied":                         "no value to give",
		"secret not found: p4ss":                   "no value to give",
		"value: p4ss":                              "before it",
		"https://vault.contoso.example/v1/p4ss":    "address",
		`C:\secrets\p4ss.txt`:                      "path",
		`C:\p4ss.txt`:                              "path",
		`C:\secrets\p4ss`:                          "path",
		`\\files\share\p4ss.txt`:                   "path",
		"AGE-SECRET-KEY-1P4SS":                     "identity of age",
		"************":                             "one character",
		"00000000000000000000":                     "one character",
		"xxxxxxxx":                                 "one character",
		zeros(0):                                   "one byte",
		zeros(0xff):                                "one byte",
		"p\uff14ssword":                            "character 2 is a full-width one",
		"p4ss\uff01word":                           "character 5 is a full-width one",
		"p4ss٣word":                                "character 5 is a digit of another script",
		"p4ss–word":                                "character 5 is a dash",
		"p4ss−word":                                "character 5 is a dash",
		"p4ss’word":                                "character 5 is a quotation mark",
		"pаssw0rd":                                 "character 2 is a Cyrillic letter",
		"Αp4ssw0rd":                                "character 1 is a Greek letter",
		"p4ssu\u0308":                              "NFC",
	} {
		if err := values.Odd([]byte(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", text, err)
		} else if strings.Contains(err.Error(), "p4ss") {
			t.Errorf("%q: the value is shown: %v", text, err)
		}
	}
	for _, text := range []string{"p4ssw0rd!", "correct horse battery staple", `it's "quoted"`, "a", "5%", "100%sure%", "<b>x</b>", "$1$2", "Ünïcödé", "Пароль-Admin-2026", "пароль", "パスワード", "κωδικός9", "straße", "Łódź-1", "日本語pass", "p=a;s'w\"d", "nonesuch-9", "changemenot-2026-xyz", "yourself-here-9", "todos-7", "my-dog-Rex-4-here!", "ENC[x", "vault:7", "#4{x}", "$6$rounds=5000$x", "$ABC", "@home(1)x", "{p4ss}", "System.p4ss!", "System of a down", "Microsoft", "--- p4ss ---", "@{p4ss", "a-a", "your-house-here-9x", "amqp://u:p4ss@h", "user@host(1)", "__init__=1", "__init__", "abab", "Bearer-of-p4ss", "token ring", "a@@B", "${a}p4ss", "#{}p4ss", "[red]p4ss", "!secret", "secretref", "projects/p4ss", "error-p4ss", "terror: p4ss", "Access deniedp4ss", "secret not foundp4ss", "examples-9", "values-9", `C:p4ss`, `C:\p4ss`, `C:\p4ss"$x.9!t`, "httpsp4ss", `\p4ss`, "age-secret-p4ss", "AGE-SECRET-p4ss"} {
		if err := values.Odd([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for range 1000 {
		for _, g := range []values.Generated{{}, {Plain: true}} {
			v, err := g.Get(t.Context(), secret.Ref{Name: "x", Version: "1"})
			if err == nil {
				err = values.Odd(v.Expose())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func zeros(b byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string([]byte{b}), 32)))
}

// A document is refused where one value is wanted. It is no other kind of odd value.
func TestWhole(t *testing.T) {
	for text, whole := range map[string]bool{
		`{"password":"p4ss"}`: true, ` [ "p4ss" ]`: true, "{}": true, "{\n \"key\": 1\n}\n": true,
		"{p4ss}": false, "[p4ss": false, "p4ss": false, "12": false, "": false, `{"a":1}x`: false,
	} {
		if err := values.Whole([]byte(text)); (err != nil) != whole || err != nil && strings.Contains(err.Error(), "p4ss") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// An age identity is nobody's password, and no credential: it opens all that is kept.
func TestAnIdentityIsNoCredential(t *testing.T) {
	for text, refused := range map[string]bool{
		"AGE-SECRET-KEY-1QQQ": true, "# created\n# public key: age1\nAGE-SECRET-KEY-1QQQ\n": true, "age-secret-key-1qqq": true, "hvs.CAESI": false, "age1qqq": false,
	} {
		if err := values.Credential(secret.NewString(text)); (err != nil) != refused {
			t.Errorf("%q: %v", text, err)
		}
	}
}
