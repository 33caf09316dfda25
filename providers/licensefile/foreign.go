package licensefile

import (
	"bytes"
	"errors"
	"regexp"
)

// foreign are beginnings of files that no product takes for a license, and what they are.
var foreign = []struct{ begins, is string }{
	{"version https://git-lfs.github.com/spec/", "a pointer of Git LFS, and not the file itself: `git lfs pull` fetches it"},
	{"/annex/objects/", "a pointer of git-annex, and not the file itself: `git annex get` fetches it"},
	{"$ANSIBLE_VAULT;", "encrypted by Ansible Vault"},
	{"-----BEGIN AGE ENCRYPTED FILE-----", "encrypted by age"},
	{"age-encryption.org/v1", "encrypted by age"},
	{"@Microsoft.KeyVault(", "a reference to a key vault"},
}

var (
	webPage     = regexp.MustCompile(`(?i)^(<\?xml[^>]*>\s*)?(<!--(?s:.*?)-->\s*)*(<!doctype\s+html|<html[\s>])`)
	privateKey  = regexp.MustCompile(`^-----BEGIN ([A-Z]+ )?PRIVATE KEY-----`)
	placeholder = regexp.MustCompile(`^<[A-Za-z]+( [A-Za-z]+)+>$`)
	// failure is what a store or an API answers that has no file to give: an object that begins with its error (RFC 9457 begins with
	// type or title and has a status), or the Error of S3 and Azure's storage.
	failure = regexp.MustCompile(`(?is)^(\{\s*"(error|errors|error_description|errorMessage|fault)"\s*:|` +
		`\{\s*("(message|title|detail)"\s*:\s*"[^"]*"|"(code|type|status)"\s*:\s*("[^"]*"|\d+)\s*,\s*"(message|title|status|detail|error)"\s*:\s*("[^"]*"|\d+))\s*` +
		`(,\s*"(code|message|status|title|type|detail|instance|traceId|error|errors|requestId)"\s*:\s*("[^"]*"|\d+|null|\{[^{}]*\}|\[[^\[\]]*\])\s*)*\}\s*$|` +
		`(<\?xml[^>]*>\s*)?<(Error|Fault|soap:Fault)[\s>])`)
	sealed = regexp.MustCompile(`(?s)ENC\[AES256_GCM,.*"sops"`)
)

// notALicense says what else a file certainly is, nil where it may be one.
func notALicense(text []byte) error {
	for _, f := range foreign {
		if bytes.HasPrefix(text, []byte(f.begins)) {
			return errors.New("the license file is " + f.is)
		}
	}
	switch {
	case webPage.Match(text):
		return errors.New("the license file is a web page, such as a sign-in, and no license")
	case privateKey.Match(text):
		return errors.New("the license file is a private key, and no license")
	case placeholder.Match(text):
		return errors.New("the license file is a placeholder, and no license")
	case failure.Match(text):
		return errors.New("the license file is what a store says that has no file to give (an error), and no license")
	case sealed.Match(text):
		return errors.New("the license file is encrypted by SOPS")
	}
	return nil
}
