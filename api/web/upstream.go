package web

// Upstream leads to another provider, with which people may log in.
type Upstream struct{ ID, Title, To string }

// Elsewhere says why a login with another provider led to none here.
type Elsewhere struct {
	Title    string // of the provider
	Reason   string // key, without "login.elsewhere."
	Unlinked bool   // whoever logs in may link the account there
}

// Link asks whether to link an account elsewhere with this one.
type Link struct {
	Form
	Asker   *Asker
	User    string // masked
	Title   string // of the provider
	Problem string // key, without "link.problem."
	Over    bool   // it can't be linked, however often that is tried
}

func (Link) template() string { return "link" }
