package guessing

// What tests from outside look at.
var (
	MostOfDevices  = ofDevices.Most
	MostOfLoginDay = ofLoginDay.Most
	MostOfKnown    = ofKnown.Most
)
