package licensefile

import (
	"fmt"
	"strings"
)

// Names that licenses give to when they begin, most telling first, and to whether they are good.
var (
	beginNames     = []string{"notBefore", "notBeforeUtc", "nbf", "validFrom", "validFromUtc", "startDate", "startsAt", "startsOn", "effectiveDate", "effectiveFrom"}
	standingNames  = []string{"status", "licenseStatus", "state", "licenseState"}
	withdrawnNames = []string{"revoked", "isRevoked", "suspended", "isSuspended"}
	withdrawn      = []string{"revoked", "suspended"}
)

// ofItself are the names of objects in a license that are about the license. Any other may be about a customer, or a part.
var ofItself = []string{"license", "validity", "validityPeriod", "period", "licensePeriod"}

// standing reads when a license begins, and whether it calls itself withdrawn. Both refuse a file, so the license itself must say it:
// what stands in an object about something else does not count.
func (l *License) standing(o map[string]any) {
	own := []map[string]any{o}
	for _, name := range ofItself {
		if inner, ok := find(o, name).(map[string]any); ok {
			own = append(own, inner)
		}
	}
	for _, o := range own {
		for _, name := range beginNames {
			if v, ok := lookUp(o, name); ok && l.Begins.IsZero() {
				l.Begins, l.BeginsWithin, _ = moment(v)
				l.BeginsWithin = min(l.BeginsWithin, zones) // a day begins at its midnight somewhere
			}
		}
		for _, name := range standingNames {
			if v := text(find(o, name)); matches(v, withdrawn...) {
				l.Withdrawn = name + " = " + quoted(v)
			}
		}
		for _, name := range withdrawnNames {
			if v, ok := lookUp(o, name); ok && strings.EqualFold(fmt.Sprint(v), "true") {
				l.Withdrawn = name + " = true"
			}
		}
	}
}
