package password

// What tests from outside look at.
const (
	TicketSecret = ticketSecret
	MinPassword  = minPassword
	MaxPassword  = maxPassword
)

var (
	Check       = checkPassword
	Common      = common
	ParseTicket = parseTicket
)
