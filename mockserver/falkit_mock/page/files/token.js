// The view that a link named is there once the token is given.
document.forms[0].action += location.hash;
