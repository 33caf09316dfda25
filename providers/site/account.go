package site

import "strings"

// SameAccount says that two names of accounts, each as DOMAIN\name, name@domain.example or a name alone, may be the same account's.
// Without the directory nobody can translate a domain's short name (NetBIOS) into its DNS name: the first need not begin the second.
// So names are certainly different only where both domains are short and differ, or both are DNS names and neither is within the other.
// A dot is the host's own: hosts are those that it may mean.
func SameAccount(a, b string, hosts ...string) bool {
	domainA, userA := accountParts(a)
	domainB, userB := accountParts(b)
	return userA == userB && sameDomain(domainA, domainB, hosts)
}

func sameDomain(a, b string, hosts []string) bool {
	switch {
	case a == b || a == "" || b == "":
		return true
	case a == ".":
		return isHost(b, hosts)
	case b == ".":
		return isHost(a, hosts)
	case strings.Contains(a, ".") != strings.Contains(b, "."):
		return true
	}
	return within(a, b) || within(b, a)
}

// within says that one DNS name is a part of the other, from its beginning or from its end.
func within(part, whole string) bool {
	return strings.Contains(part, ".") && (strings.HasPrefix(whole, part+".") || strings.HasSuffix(whole, "."+part))
}

// maxNetBIOS is how much of a machine's name its short name has.
const maxNetBIOS = 15

func isHost(domain string, hosts []string) bool {
	for _, h := range hosts {
		h = strings.ToLower(h)
		short, _, _ := strings.Cut(h, ".")
		if domain == h || domain == short || domain == short[:min(len(short), maxNetBIOS)] {
			return true
		}
	}
	return false
}

func accountParts(account string) (domain, user string) {
	account = strings.ToLower(strings.TrimSpace(account))
	domain, user, ok := strings.Cut(account, `\`)
	if !ok {
		user, domain, _ = strings.Cut(account, "@")
		domain = domain[strings.LastIndexByte(domain, '@')+1:]
	}
	if domain != "." {
		domain = strings.TrimSuffix(domain, ".")
	}
	return domain, user
}
