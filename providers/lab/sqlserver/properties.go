package sqlserver

import (
	"cmp"
	"database/sql/driver"
	"time"
)

func serverProperty(x *Session, a []driver.Value) (driver.Value, error) {
	switch lower(arg(a, 0)) {
	case "productversion":
		return build, nil
	case "productmajorversion":
		return "16", nil
	case "productlevel":
		return "RTM", nil
	case "edition":
		return "Developer Edition (64-bit)", nil
	case "engineedition":
		x.server.mu.Lock()
		defer x.server.mu.Unlock()
		return int64(cmp.Or(x.server.edition, 3)), nil // Enterprise, and Developer
	case "servername", "machinename", "computernamephysicalnetbios":
		return x.server.config.Name, nil
	case "ishadrenabled":
		return whether(x.server.inGroup() != nil), nil
	case "isintegratedsecurityonly", "isclustered":
		return int64(0), nil
	case "collation":
		return "SQL_Latin1_General_CP1_CI_AS", nil
	}
	return nil, nil
}

func (s *Server) inGroup() *Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.group
}

func databaseProperty(x *Session, a []driver.Value) (driver.Value, error) {
	return x.inData(func(d *Data) driver.Value {
		db := d.database(arg(a, 0))
		if db == nil {
			return nil
		}
		switch lower(arg(a, 1)) {
		case "status":
			if db.Offline {
				return "OFFLINE"
			}
			return "ONLINE"
		case "updateability":
			if db.ReadOnly || db.group != nil && db.group.role(x.server) != rolePrimary {
				return "READ_ONLY"
			}
			return "READ_WRITE"
		case "collation":
			return "SQL_Latin1_General_CP1_CI_AS"
		}
		return nil
	}), nil
}

func loginProperty(x *Session, a []driver.Value) (driver.Value, error) {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	l := x.server.login(arg(a, 0))
	if l == nil || l != x.login && !x.server.may(x.login, "ALTER ANY LOGIN") && !x.server.may(x.login, "VIEW ANY DEFINITION") {
		return nil, nil
	}
	p := x.server.config.Policy
	switch lower(arg(a, 1)) {
	case "islocked":
		return whether(x.server.isLocked(l)), nil
	case "isexpired":
		return whether(l.Expires && x.server.now().Sub(l.changed) > p.Age), nil
	case "ismustchange":
		return whether(l.MustChange), nil
	case "badpasswordcount":
		return int64(l.failures), nil
	case "badpasswordtime":
		return stampOr(l.missed), nil
	case "historylength":
		return int64(max(0, min(p.History, 1+len(l.history)))), nil
	case "passwordlastsettime":
		return Stamp(l.changed), nil
	case "lockouttime":
		return stampOr(l.locked), nil
	case "daysuntilexpiration":
		if !l.Expires {
			return nil, nil
		}
		return int64((p.Age - x.server.now().Sub(l.changed)).Hours() / 24), nil
	case "defaultdatabase":
		return l.DefaultDatabase, nil
	}
	return nil, nil
}

// stampOr is what SQL Server says of a time, or that there was none.
func stampOr(t time.Time) string {
	if t.IsZero() {
		return "1900-01-01 00:00:00.0000000"
	}
	return Stamp(t)
}
