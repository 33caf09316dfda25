package sqlserver

import (
	"crypto/rand"
	"slices"
	"time"
)

// Database is what an instance, or an availability group, has of data.
type Database struct {
	Name      string
	Contained bool // CONTAINMENT = PARTIAL: users with passwords of their own
	ReadOnly  bool
	LogFull   bool // nothing can be written: error 9002
	Offline   bool
	Users     []*User

	id      int
	created time.Time
	grants  []grant
	tables  []*table
	schemas []schema
	roles   []string // that somebody created
	group   *Group
}

// User is a principal of a database.
type User struct {
	Name     string
	SID      []byte // its login's, of whatever instance
	Password string // of a contained database's own users
	Roles    []string

	id      int
	version int
}

func (u *User) inRole(role string) bool {
	return slices.ContainsFunc(u.Roles, func(r string) bool { return same(r, role) })
}

// SetDatabase adds a database, or changes it. alter must call nothing of the model.
func (d *Data) SetDatabase(name string, alter func(*Database)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.database(name)
	if db == nil {
		db = d.addDatabase(name)
	}
	if alter != nil {
		alter(db)
	}
}

func (d *Data) addDatabase(name string) *Database {
	db := &Database{Name: name, id: len(d.databases) + 1, created: time.Now().UTC()}
	d.databases = append(d.databases, db)
	return db
}

// SetUser adds a user to a database, or changes it. A nil sid is left or made.
func (d *Data) SetUser(database, name string, sid []byte, roles ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.database(database)
	if db == nil {
		return
	}
	u := db.user(name)
	if u == nil {
		u = db.addUser(name)
	}
	if sid != nil {
		u.SID = sid
	}
	u.Roles = roles
}

// SetContainedUser gives a user of a contained database a password.
func (d *Data) SetContainedUser(database, name, password string, roles ...string) {
	d.SetUser(database, name, nil, roles...)
	d.mu.Lock()
	defer d.mu.Unlock()
	if db := d.database(database); db != nil {
		u := db.user(name)
		if u.SID == nil {
			u.SID = make([]byte, 28)
			_, _ = rand.Read(u.SID) // never fails
		}
		u.Password = password
		u.version++
	}
}

// LookUser is a copy of a user, and whether there is one.
func (d *Data) LookUser(database, name string) (u User, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if db := d.database(database); db != nil {
		if p := db.user(name); p != nil {
			return *p, true
		}
	}
	return u, false
}

func (db *Database) addUser(name string) *User {
	u := &User{Name: name, id: 5}
	for _, x := range db.Users {
		u.id = max(u.id, x.id+1)
	}
	db.Users = append(db.Users, u)
	return u
}

func (db *Database) user(name string) *User {
	for _, u := range db.Users {
		if same(u.Name, name) {
			return u
		}
	}
	return nil
}

// of finds the user of a login, by its SID.
func (db *Database) of(sid []byte) *User {
	for _, u := range db.Users {
		if u.SID != nil && slices.Equal(u.SID, sid) {
			return u
		}
	}
	return nil
}

// system says whether everybody may enter a database.
func system(name string) bool {
	return same(name, "master") || same(name, "tempdb") || same(name, "msdb")
}
