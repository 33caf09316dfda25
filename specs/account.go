package specs

import "strings"

// accountHint says how an account is written.
const accountHint = `CONTOSO\name, name@contoso.example or .\name; in single quotes, or without quotes, a backslash stands once`

// noAccount are the characters that no account's name has in Windows.
const noAccount = `"/[]:;|=,+*?<>`

// accountParts takes the name of a Windows account apart: DOMAIN\name or name@domain. The domain of a name alone is "".
func accountParts(account string) (domain, user string) {
	if domain, user, ok := strings.Cut(account, `\`); ok {
		return domain, user
	}
	user, domain, _ = strings.Cut(account, "@")
	return domain[strings.LastIndexByte(domain, '@')+1:], user
}

// AccountProblem says why no Windows account has this name, "" where one may. A name without a domain before it may be a Kerberos principal:
// that takes more characters.
func AccountProblem(account string) (text, hint string) {
	domain, user := accountParts(account)
	switch {
	case strings.TrimSpace(account) != account || strings.TrimSpace(user) != user || strings.TrimSpace(domain) != domain:
		return "there is a blank at an end of the account's name, or of its domain's", accountHint
	case user == "" || domain == "" && strings.ContainsAny(account, `\@`):
		return "is no name of an account: a part is missing", accountHint
	case strings.Contains(user, `\`):
		return `is no name of an account: there is more than one backslash`, accountHint
	case strings.Contains(account, `\`) && strings.ContainsAny(user, noAccount):
		return "is no name of an account: Windows takes none with one of " + noAccount, accountHint
	}
	return "", ""
}

func accountWrong(account string) bool {
	text, _ := AccountProblem(account)
	return text != ""
}
